"""Alarms about the machine under a run: a disk that is nearly full, data that come too slowly. Each is raised once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from simo2_core.data.placement import disk_free, human_bytes
from simo2_core.events import StepsLogged, WarningRaised

STARVED = 0.3
"""Share of a call spent waiting for data that counts as starving: the device idles for nearly a third of the time."""

STARVED_CALLS = 8
"""Calls in a row that must starve, about two seconds of training: one slow read is no alarm."""

CHECKPOINTS_FREE = 3
"""Checkpoints that must still fit: a new one is whole before an old one goes, and snapshots and the log grow too."""

DISK_SECONDS = 10.0
"""Seconds between two looks at the disk: what fills it may be somebody else."""


class Watch:
    """Looks at the calls and at the disk of one run."""

    def __init__(self, folder: Path) -> None:
        """Watches the disk that holds `folder`."""
        self._folder = folder
        self._checkpoint_bytes = 0
        self._looked = -DISK_SECONDS
        self._waits: list[float] = []
        self._raised: set[str] = set()

    def saw_call(self, event: StepsLogged) -> None:
        """Takes the steps of one more call."""
        starved = event.data_wait >= STARVED
        self._waits = [*self._waits[1 - STARVED_CALLS :], event.data_wait] if starved else []

    def saw_checkpoint(self, path: Path) -> None:
        """Takes a checkpoint that was written: the next ones will be as large."""
        with contextlib.suppress(OSError):  # what cannot be measured raises no alarm, and never ends a run
            self._checkpoint_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        self._looked = -DISK_SECONDS

    def alarms(self, step: int) -> Iterator[WarningRaised]:
        """What is wrong now and was not said before."""
        if len(self._waits) >= STARVED_CALLS and self._once("data-starved"):
            yield WarningRaised(
                step=step,
                code="data-starved",
                message=f"training waits for data {sum(self._waits) / len(self._waits):.0%} of the time.",
                cure="Use a smaller --image-size, more memory, or a faster disk for the cache: SIMO2_CACHE=/fast/disk.",
            )
        now = time.monotonic()
        if self._checkpoint_bytes and now - self._looked >= DISK_SECONDS:
            self._looked = now
            free = self._disk_free()
            if free is not None and free < CHECKPOINTS_FREE * self._checkpoint_bytes and self._once("disk-low"):
                yield WarningRaised(
                    step=step,
                    code="disk-low",
                    message=f"the disk of {self._folder} is nearly full: {human_bytes(free)} free, "
                    f"a checkpoint takes {human_bytes(self._checkpoint_bytes)}.",
                    cure="Free some space, or start with a smaller --keep; training goes on, a save may fail.",
                )

    def _disk_free(self) -> int | None:
        try:
            return disk_free(self._folder)
        except OSError:
            return None

    def _once(self, code: str) -> bool:
        new = code not in self._raised
        self._raised.add(code)
        return new


def disk_alarm(step: int, message: str) -> WarningRaised:
    """The disk refused something that training can go on without."""
    return WarningRaised(step=step, code="disk", message=message, cure="Training goes on and will try again.")
