"""Where the folder of a run is while it trains: it may be renamed, removed, and put back by somebody else."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simo2_core.config import Config
from simo2_core.errors import ConfigError, RunError
from simo2_core.run.directory import RunDirectory
from simo2_core.run.files import disk_error
from simo2_core.run.owner import owner_of


class Whereabouts:
    """Knows the folder of a run by what it is, not by its name."""

    def __init__(self, run: RunDirectory) -> None:
        """Opens the folder; raises RunError when it is not there."""
        self._run = run
        try:
            self._descriptor = os.open(run.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise disk_error("opening", run.path, error) from error

    def in_place(self) -> bool:
        """Whether the folder is where the run was begun; a copy of it that was put back there counts."""
        try:
            here = self._run.path.stat()
        except OSError:
            return False
        if os.path.samestat(here, os.fstat(self._descriptor)):
            return True
        if owner_of(self._run.path).pid != os.getpid():  # the lock of a copy names this process as well
            return False
        with contextlib.suppress(OSError):
            descriptor = os.open(self._run.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            os.close(self._descriptor)
            self._descriptor = descriptor
        return True

    def now(self) -> Path | None:
        """Where the folder is now; None when it was removed."""
        try:
            path = Path(f"/proc/self/fd/{self._descriptor}").readlink()
            found = os.path.samestat(path.stat(), os.fstat(self._descriptor))
        except OSError:
            return None
        return path if found else None

    def clear_the_place(self) -> None:
        """Removes the empty folders that a save under way made where the run was, or it could not be put back."""
        for folder in (self._run.checkpoints, self._run.path):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def found_or_made(self, meta: Mapping[str, Any]) -> RunDirectory:
        """The run in the folder that it is in now, or a new one for the state that has nowhere to go.

        Args:
            meta: of a checkpoint; it has the settings.

        Raises:
            RunError: the disk takes none, wherever it is tried.
        """
        now = self.now()
        if now is not None:
            return RunDirectory(now)
        config = Config.from_json(meta["config"])
        refused: RunError | None = None
        for folder in (self._run.path.parent, Path(tempfile.gettempdir())):
            for name in (self._run.name, f"{self._run.name}-saved"):
                try:
                    return RunDirectory.create(folder, name, config, {"fingerprint": meta.get("fingerprint")})
                except (RunError, ConfigError) as error:
                    refused = RunError(str(error))
        assert refused is not None
        raise refused

    def close(self) -> None:
        """Lets go of the folder."""
        os.close(self._descriptor)
