"""One folder a run. Everything that a screen, a plot or a resumed run needs can be read back from it.

runs/NAME/
  config.json        resolved settings, versioned, with what else decides the numbers
  events.jsonl       one event a line, appended
  checkpoints/STEP/  the whole state
  embeddings/STEP.npz, thumbnails.npz
  plots/*.png
  train.log          for people
  control/           commands from outside
  lock, .lock        names the owner process, and is locked by it for as long as it lives: see `owner.py`
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from simo2_core.bounds import shown
from simo2_core.config import FORMAT, Config
from simo2_core.errors import ConfigError, MissingPartError, NewerFormatError, RunError
from simo2_core.events import Event
from simo2_core.paths import exists, user_path
from simo2_core.run.contained import require_contained
from simo2_core.run.event_file import read_events
from simo2_core.run.files import disk_error, sync_folder, write_whole
from simo2_core.run.owner import Owner, OwnerNote, hold, owner_of

_FOLDERS = ("checkpoints", "embeddings", "plots", "control")
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)
"""What renaming a folder says where another one, or a file, has the name."""

_NAME = re.compile(r"[\w][\w.+=@-]*")
_LONGEST_NAME = 200
"""Bytes: file systems take 255, and the folder has a longer name until it is filled."""


class RunDirectory:
    """The folder of a run: where its files are, and who owns it."""

    def __init__(self, path: Path) -> None:
        """Names the folder; reads and makes nothing. See `create`, `open` and `find_run`."""
        self.path = path
        self.config_path = path / "config.json"
        self.events_path = path / "events.jsonl"
        self.checkpoints = path / "checkpoints"
        self.embeddings = path / "embeddings"
        self.plots = path / "plots"
        self.control = path / "control"
        self.log_path = path / "train.log"
        self.notes: list[OwnerNote] = []
        """What a user should know about how this process came to own the run, once it does."""
        self._new = False
        self._looked_through = False

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    @classmethod
    def create(
        cls, run_dir: Path, name: str | None, config: Config, facts: Mapping[str, Any] | None = None
    ) -> RunDirectory:
        """Makes `run_dir/name`, or a name of preset and time when none is given, and writes its `config.json`.

        Args:
            facts: what else decides the numbers (data fingerprint, package versions), stored beside the settings.

        Raises:
            ConfigError: the name is no folder name.
            RunError: the name is taken, or the disk is full or read-only.
        """
        if name is not None:
            name = require_name(name)
        run = cls(_make_folder(run_dir, name, config.preset or "run", lambda run: run._fill(config, facts or {})))
        run._new = True
        return run

    def _fill(self, config: Config, facts: Mapping[str, Any]) -> None:
        for folder in _FOLDERS:
            (self.path / folder).mkdir()
        self.write_config(config, facts)

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """An existing run; raises RunError when `path` is not one, or has links that lead out of it."""
        run = cls(path)
        if not _is_run(path):
            raise RunError(f"{path} is no run directory: it has no config.json. List the runs with: simo2 runs.")
        run.require_contained()
        return run

    def write_config(self, config: Config, facts: Mapping[str, Any]) -> None:
        """Writes the settings and the facts beside them.

        A path stays as it was typed when the run began, for as long as it is the same place: see `config`.
        """
        facts = dict(facts)
        with contextlib.suppress(RunError):
            typed = {absolute: path for path, absolute in _paths(self.facts).items()}
            same = {name: typed[path] for name, path in _path_settings(config).items() if path in typed}
            config = config.replace(same)
            kept = {path: absolute for absolute, path in typed.items() if path in same.values()}
            facts["paths"] = kept | _paths(facts)
        body = {"config": config.to_json(), "facts": facts}
        write_whole(self.config_path, json.dumps({**body, "sha256": _digest(body)}, indent=2).encode())

    def _read_config(self) -> dict[str, Any]:
        self.require_contained()
        cure = (
            f"simo2 resume {self.path} takes the settings from its newest checkpoint. Where there is none, copy the "
            "file from a run with the same settings."
        )
        try:
            data = json.loads(self.config_path.read_bytes())
        except (FileNotFoundError, IsADirectoryError):
            raise RunError(f"{self.config_path} is missing. {cure}") from None
        except OSError as error:
            raise disk_error("reading", self.config_path, error) from error
        except (ValueError, RecursionError) as error:
            raise RunError(f"{self.config_path} is damaged ({error}). {cure}") from None
        if not isinstance(data, dict):
            raise RunError(f"{self.config_path} is damaged: no JSON object. {cure}")
        written = data.pop("sha256", None)
        if written is not None and written != _digest(data):
            raise RunError(
                f"{self.config_path} has changed since it was written. Give other settings as flags with "
                f"simo2 resume {self.path}, or delete its sha256 line to keep the change."
            )
        return data

    @property
    def config(self) -> Config:
        """The settings, with the paths among them absolute: what was typed meant a place where it was typed.

        Raises:
            RunError: they cannot be read.
            NewerFormatError: a newer simo2 wrote them.
        """
        data = self._read_config().get("config")
        found = data.get("format") if isinstance(data, dict) else None
        if isinstance(found, int) and found > FORMAT:
            raise NewerFormatError(
                f"{self.config_path} has format {found} and needs a simo2 that reads it; this one reads up to "
                f"{FORMAT}. Update simo2."
            )
        try:
            config = Config.from_json(data)  # type: ignore[arg-type]
            paths = _paths(self.facts)
            absolute = {name: paths[typed] for name, typed in _path_settings(config).items() if typed in paths}
            return config.replace(absolute)
        except MissingPartError:
            raise
        except ConfigError as error:
            raise RunError(f"{self.config_path}: {error}") from error

    @property
    def facts(self) -> dict[str, Any]:
        """What else decides the numbers: data fingerprint, package versions."""
        facts = self._read_config().get("facts")
        return facts if isinstance(facts, dict) else {}

    def events(self) -> Iterator[Event]:
        """Every event so far, in order. A torn last line is passed over.

        Other lines that cannot be read are passed over too, and the last event is then a warning that counts them.

        Raises:
            RunError: the file cannot be read at all.
        """
        self.require_contained()
        yield from read_events(self.events_path)

    def require_contained(self) -> None:
        """Raises RunError, which names it, when something of the run is a link that would be followed out of it."""
        if not self._looked_through:
            require_contained(self.path)
            self._looked_through = True

    @contextlib.contextmanager
    def own(self) -> Iterator[None]:
        """Holds the run for this process; the kernel lets go of it when the process dies, however it dies.

        A run made here that an error ends before it has said anything is removed: it never began. What a user should
        know about the owning is in `notes`.

        Raises:
            RunLockedError: another live process owns it; the message names its process and host.
        """
        require_contained(self.path)
        with hold(self.path) as notes:
            self.notes = notes
            sweep(self)
            try:
                yield
            except BaseException:
                if self._new and not _has_begun(self) and self.owner().pid == os.getpid():  # it is still there
                    shutil.rmtree(self.path, ignore_errors=True)
                raise

    def owner(self) -> Owner:
        """Who trains the run, as far as it can be seen from here; looking locks nothing."""
        return owner_of(self.path)

    def owned(self) -> bool:
        """Whether somebody trains the run now, or may do so on a machine that cannot be asked from here."""
        return self.owner().may_live

    def owned_since(self) -> float | None:
        """When the process that owns the run took it, in seconds since 1970; None where nobody owns it."""
        owner = self.owner()
        return owner.since if owner.may_live else None


def sweep(run: RunDirectory, *, older_than: float = 60.0) -> None:
    """Removes what writers killed more than `older_than` seconds ago left half-written."""
    for folder in (run.path, run.embeddings, run.plots, run.control):
        for path in folder.glob(".*.*"):
            with contextlib.suppress(OSError):
                if path.is_file() and time.time() - path.stat().st_mtime > older_than:
                    path.unlink()


def _has_begun(run: RunDirectory) -> bool:
    said = run.events_path.exists() and run.events_path.stat().st_size > 0
    return said or any(run.checkpoints.glob("*"))


def _paths(facts: Mapping[str, Any]) -> dict[str, str]:
    """The paths of a run that are not absolute: as typed, to the absolute one."""
    paths = facts.get("paths")
    known = paths.items() if isinstance(paths, Mapping) else ()
    return {typed: path for typed, path in known if isinstance(path, str)}


def _path_settings(config: Config) -> dict[str, str]:
    values = {name: config.get(name) for name in ("dataset", "data_dir", "init")}
    return {name: value for name, value in values.items() if value is not None}


def require_name(name: str) -> str:
    """The name of a folder of runs as the disk has it: one, however its accents are put together.

    Raises:
        ConfigError: nothing can be called so.
    """
    name = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(name):
        raise ConfigError(f"name is {shown(name)}; it must be letters, digits, '.', '_', '-', not beginning with '-'.")
    if len(name.encode()) > _LONGEST_NAME:
        raise ConfigError(f"name is {shown(name)}; it must be at most {_LONGEST_NAME} bytes long.")
    if name == "latest":
        raise ConfigError("name is 'latest'; that is what every command calls the newest run. Give another --name.")
    return name


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _make_folder(run_dir: Path, name: str | None, prefix: str, fill: Callable[[RunDirectory], None]) -> Path:
    """A folder in `run_dir` that appears when it is filled: a process killed before leaves its name free."""
    stem = name or f"{prefix}-{time.strftime('%Y%m%d-%H%M%S')}"
    hidden: Path | None = None
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        hidden = run_dir / f".{stem}.{os.getpid()}-{time.monotonic_ns()}"
        hidden.mkdir()
        fill(RunDirectory(hidden))
        for attempt in range(1, 1000):
            path = run_dir / (stem if attempt == 1 else f"{stem}-{attempt}")
            try:
                hidden.rename(path)
                sync_folder(run_dir)
                return path
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                if name:
                    raise RunError(
                        f"{path} exists already. Give another --name, or continue it with: simo2 train --resume {path}."
                    ) from None
    except OSError as error:
        raise disk_error("making the run directory", run_dir / stem, error) from error
    finally:
        if hidden is not None:
            shutil.rmtree(hidden, ignore_errors=True)
    raise RunError(f"{run_dir} holds too many runs called {stem}. Give a --name.")


def _is_run(path: Path) -> bool:
    """Whether a folder is a run; one that has lost its settings still has those in its checkpoints."""
    try:
        return (path / "config.json").is_file() or any((path / "checkpoints").glob("[0-9]*"))
    except OSError:  # a folder closed to us
        return False


def _made(run: RunDirectory) -> float:
    try:
        return run.config_path.stat().st_mtime
    except OSError:  # lost, or gone while it is looked at
        return 0.0


def list_runs(run_dir: Path) -> list[RunDirectory]:
    """Every run under `run_dir`, the newest first."""
    try:
        found = [RunDirectory(path) for path in run_dir.iterdir() if path.name[0] != "." and _is_run(path)]
    except OSError:
        return []
    return sorted(found, key=lambda run: (_made(run), run.name), reverse=True)


def find_run(text: str, run_dir: Path) -> RunDirectory:
    """The run that a user means: `latest`, a run's name or path, or a path inside a run, such as a checkpoint.

    Raises:
        RunError: there is none.
    """
    if not text.strip():
        raise RunError(f"a run is named {text!r}; give its name, its path, or latest. List the runs with: simo2 runs.")
    if text == "latest":
        runs = list_runs(run_dir)
        if not runs:
            raise RunError(f"{run_dir} holds no runs yet. Start one with: simo2 train --preset digits.")
        return RunDirectory.open(runs[0].path)
    for start in (user_path(text), run_dir / text, run_dir / unicodedata.normalize("NFC", text)):
        for path in (start, *list(start.absolute().parents)[:2]):
            if exists(start) and _is_run(path):
                return RunDirectory.open(path)
    raise RunError(f"{text!r} is no run, and {run_dir} has none of that name. List the runs with: simo2 runs.")
