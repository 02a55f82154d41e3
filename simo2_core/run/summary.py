"""A run in one row: its state, how far it came, what it reached. Reads the log without decoding its steps."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field

from simo2_core.config import Config
from simo2_core.errors import MissingPartError, RunError, Simo2Error
from simo2_core.events import (
    Compiled,
    ControlApplied,
    Evaluated,
    Event,
    Planned,
    RolledBack,
    RunFinished,
    RunStarted,
    StepsLogged,
)
from simo2_core.run.directory import RunDirectory
from simo2_core.run.event_file import Damage, LineReader
from simo2_core.run.owner import Owner, Presence
from simo2_core.run.rising import Followed
from simo2_core.run.state import RunCourse, State

_TOLD = tuple(
    f'{{"event":"{kind.kind}"'.encode()
    for kind in (Compiled, ControlApplied, Evaluated, Planned, RolledBack, RunFinished, RunStarted)
)


@dataclass
class RunSummary:
    """What a list of runs shows of one."""

    run: RunDirectory
    state: State = State.EMPTY
    config: Config | None = None
    """Its settings; None where they cannot be read, and then
    problem: says why, in one line."""
    problem: str = ""
    step: int = 0
    steps: int = 0
    """At which it will be finished; 0 while nobody knows."""
    knn: list[float] = field(default_factory=list)
    """Validation kNN of the representation, in order."""
    followed: Followed = field(default_factory=Followed)
    """How validation kNN has gone."""
    test_knn: float | None = None
    raw_knn: float | None = None
    """kNN on raw pixels, on test where that was read, otherwise on validation: what the encoder has to beat."""
    loss: float | None = None
    """Total, of the last step."""
    time: float = 0.0
    """When it last said something, in seconds since 1970."""
    course: RunCourse = field(default_factory=RunCourse)
    """What its log says of its state, whoever owns it and whether or not its settings can be read."""
    owner: Owner = field(default_factory=lambda: Owner(Presence.NOWHERE))
    """Who trains it."""
    silent_for: float | None = None
    """Seconds for which whoever trains it has said nothing, where that is longer than it should be."""

    @property
    def best_knn(self) -> float | None:
        """kNN of the representation: on test where that was read, otherwise the best on validation."""
        return self.test_knn if self.test_knn is not None else max(self.knn, default=None)

    @property
    def below_raw_pixels(self) -> bool:
        """Whether what it reached is less than raw pixels give."""
        return self.best_knn is not None and self.raw_knn is not None and self.best_knn < self.raw_knn


def told_steps(step: int, steps: int) -> str:
    """`61/2,560`; without the latter where nobody knows it yet, and nothing where nothing was done."""
    return f"{step:,}/{steps:,}" if steps else f"{step:,}" if step else ""


def summarise(run: RunDirectory) -> RunSummary:
    """Reads the summary of a run; lines that cannot be read are passed over."""
    return SummaryReader(run).read()


class SummaryReader:
    """Reads the summary of a run again and again: of its log only what was added since."""

    def __init__(self, run: RunDirectory) -> None:
        """Reads nothing yet."""
        self._run = run
        self._begin_again()

    def _begin_again(self) -> None:
        self._summary = RunSummary(self._run)
        self._lines = LineReader(self._run.events_path)
        self._settings: tuple[int, int, int] | None = None
        self._damaged = False

    def read(self) -> RunSummary:
        """The summary as it is now, the same object each time but for a log that was written anew."""
        with contextlib.suppress(OSError, RunError):  # that a link leads out of it is said where its settings are read
            self._run.require_contained()
            self._read_log()
        self._read_settings()
        summary = self._summary
        owner = self._run.owner()
        state = summary.course.state(owner.since if owner.may_live else None)
        summary.owner = owner
        summary.silent_for = summary.course.silent_for(owner, time.time()) if state.running else None
        state = State.SILENT if summary.silent_for is not None else state
        summary.state = State.DAMAGED if self._damaged and not state.running else state
        return summary

    def _read_log(self) -> None:
        for lines, anew in iter(self._lines.read, ([], False)):
            if anew:
                reader = self._lines
                self._begin_again()
                self._lines = reader
            steps = [line for line in lines if b'"event":"steps"' in line[:40]]
            told = [line for line in lines if line.startswith(_TOLD)]
            for event in Damage(self._run.events_path).decode((*told, *steps[-1:])):
                self._add(event)

    def _add(self, event: Event) -> None:
        summary = self._summary
        summary.time = max(summary.time, event.time)
        summary.step = max(summary.step, event.step)
        if isinstance(event, StepsLogged):  # the last of many: it says nothing of the state that others do not
            summary.step = max(summary.step, event.last_step)
            summary.loss = event.total[-1] if event.total else None
            summary.course.heard(event)
            return
        summary.course.add(event)
        if isinstance(event, RunStarted):
            summary.steps, summary.test_knn = event.planned_steps or 0, None
            summary.raw_knn = event.raw_pixels_knn
        elif isinstance(event, Planned):
            summary.steps = event.steps
        elif isinstance(event, Evaluated) and event.split == "test":
            summary.test_knn, summary.raw_knn = event.knn_representation, event.knn_raw_pixels
        elif isinstance(event, Evaluated):
            summary.knn.append(event.knn_representation)
            summary.followed = summary.followed.after(event)

    def _read_settings(self) -> None:
        try:
            status = self._run.config_path.stat()
            identity = (status.st_ino, status.st_size, status.st_mtime_ns)
        except OSError:
            identity = (0, 0, 0)
        if identity != self._settings:
            self._settings = identity
            try:
                self._summary.config, self._summary.problem, self._damaged = self._run.config, "", False
            except Simo2Error as error:  # a part that is not here is no damage: its settings are whole
                self._summary.config, self._summary.problem = None, str(error)
                self._damaged = not isinstance(error, MissingPartError)


def size_on_disk(run: RunDirectory) -> int:
    """Bytes of all files of a run; what vanishes while it is counted does not count."""
    total = 0
    for folder, _, names in os.walk(run.path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 (thousands of files)
    return total
