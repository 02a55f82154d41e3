"""Everything a run has said, as columns: the same object behind a live, an attached and a replayed run."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from simo2_core.commands import Command
from simo2_core.events import (
    CheckpointSaved,
    Compiled,
    ControlApplied,
    EmbeddingSnapshot,
    Evaluated,
    Event,
    Planned,
    PlotSaved,
    RolledBack,
    RunFinished,
    RunStarted,
    StepsLogged,
    WarningRaised,
    WeightsLoaded,
)
from simo2_core.run.log import describe
from simo2_core.run.rising import Followed
from simo2_core.run.state import RunCourse
from simo2_core.run.time_left import TimeLeft

_Item = TypeVar("_Item", bound=Event)

STEP_COLUMNS = ("step", "total", "grad_norm", "learning_rate")
"""Of every run; the terms of its objective follow."""
CALL_COLUMNS = ("step", "steps_per_second", "images_per_second", "data_wait", "time")


class ColumnTable:
    """Named float64 columns that grow by doubling; reading one is a view, not a copy."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = {name: index for index, name in enumerate(names)}
        self._rows: NDArray[np.float64] = np.empty((len(names), 1024))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def extend(self, rows: NDArray[np.float64]) -> None:
        """Appends (columns, n) values, columns in the order of the names."""
        needed = self._count + rows.shape[1]
        if needed > self._rows.shape[1]:
            grown = np.empty((len(self._names), max(needed, 2 * self._rows.shape[1])))
            grown[:, : self._count] = self._rows[:, : self._count]
            self._rows = grown
        self._rows[:, self._count : needed] = rows
        # The count moves last: a reader in another thread sees whole rows or none.
        self._count = needed

    def keep(self, count: int) -> None:
        """Drops all rows but the first `count`; views given out before keep what they show."""
        self._rows = self._rows.copy()
        self._count = count

    def column(self, name: str) -> NDArray[np.float64]:
        """(n,) the values of one column so far."""
        return self._rows[self._names[name], : self._count]


@dataclass
class History:
    """Written by one thread through `add`, read by the screen. Sequences only ever grow, until `reset`."""

    steps: ColumnTable = field(default_factory=lambda: ColumnTable(STEP_COLUMNS))
    terms: tuple[str, ...] = ()
    """What the objective reports beside `total`: columns of `steps`, once there are any."""
    calls: ColumnTable = field(default_factory=lambda: ColumnTable(CALL_COLUMNS))
    starts: list[RunStarted] = field(default_factory=list)
    total_steps: int | None = None
    """The step at which the run will be finished, once known."""
    compiled: list[Compiled] = field(default_factory=list)
    evaluations: list[Evaluated] = field(default_factory=list)
    snapshots: list[EmbeddingSnapshot] = field(default_factory=list)
    checkpoints: list[CheckpointSaved] = field(default_factory=list)
    plots: list[PlotSaved] = field(default_factory=list)
    warnings: list[WarningRaised] = field(default_factory=list)
    commands: list[ControlApplied] = field(default_factory=list)
    course: RunCourse = field(default_factory=RunCourse)
    """What the log says of the state."""
    finished: RunFinished | None = None
    test: Evaluated | None = None
    """The test result, read once at the end."""
    followed: Followed = field(default_factory=Followed)
    """How validation kNN, and a loss that is followed, have gone; its words stand in the log."""
    time_left: TimeLeft = field(default_factory=TimeLeft)
    """What is left of the run."""
    log: list[tuple[float, str]] = field(default_factory=list)
    """(seconds since 1970, line) for people."""
    version: int = 0
    """Moves with every event: a screen that has drawn this version has nothing to do."""
    last_time: float = 0.0
    """When the newest event happened, in seconds since 1970."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while `add` runs. Readers take it only to look at several things that must belong together."""

    def add(self, event: Event) -> None:
        """Takes one more event."""
        with self.lock:
            self._add(event)
            self.last_time = event.time
            line = describe(event)
            if isinstance(event, Evaluated) and event.split == "validation":
                self.followed = self.followed.after(event)
                line += f"; {self.followed.stalled}" if self.followed.stalled else ""
            if line:
                self.log.append((event.time, line))
            self.version += 1

    def reset(self) -> None:
        """Forgets everything: the log was written anew, and will be read again from its start."""
        fresh = History()
        with self.lock:
            kept = {"lock": self.lock, "version": self.version + 1}
            self.__dict__.update({**fresh.__dict__, **kept})

    def _add(self, event: Event) -> None:
        self.course.add(event)
        self.time_left.add(event)
        match event:
            case StepsLogged():
                self._add_steps(event)
            case RunStarted():
                self.finished = self.test = None
                self.starts.append(event)
                self.total_steps = event.planned_steps
            case Evaluated(split="test"):
                self.test = event
            case RunFinished():
                self.finished = event
            case RolledBack():
                self._go_back(event.step)
            case Planned():
                self.total_steps = event.steps
            case EmbeddingSnapshot() if self.snapshots and self.snapshots[-1].path == event.path:
                self.snapshots[-1] = event  # asked for twice at one step: one picture, in one file
            case WeightsLoaded():
                pass  # its line in the log says it all
            case _:
                self._list_for(event).append(event)

    def _go_back(self, step: int) -> None:
        """Forgets what came after `step`, as the log does: those steps are told again."""
        for table in (self.steps, self.calls):
            table.keep(int(np.searchsorted(table.column("step"), step, side="right")))
        lists: tuple[list[Any], ...] = (self.evaluations, self.snapshots, self.checkpoints, self.plots)
        for told in lists:
            told[:] = [event for event in told if event.step <= step]
        self.followed = Followed.through(self.evaluations)

    def _list_for(self, event: Event) -> list[Any]:
        match event:
            case Compiled():
                return self.compiled
            case Evaluated():
                return self.evaluations
            case EmbeddingSnapshot():
                return self.snapshots
            case CheckpointSaved():
                return self.checkpoints
            case PlotSaved():
                return self.plots
            case WarningRaised():
                return self.warnings
            case _:
                return self.commands

    def _add_steps(self, event: StepsLogged) -> None:
        if not len(self.steps):
            self.terms = tuple(event.terms)
            self.steps = ColumnTable((*STEP_COLUMNS, *self.terms))
        numbers = np.arange(event.step, event.step + len(event.total), dtype=np.float64)
        series = [event.series(name) for name in (*STEP_COLUMNS[1:], *self.terms)]
        self.steps.extend(np.array([numbers, *series], np.float64))
        speeds = (event.steps_per_second, event.images_per_second, event.data_wait)
        self.calls.extend(np.array([[event.last_step], *([speed] for speed in speeds), [event.time]], np.float64))

    @property
    def start(self) -> RunStarted | None:
        """The newest start, or None before the first."""
        return self.starts[-1] if self.starts else None

    @property
    def step(self) -> int:
        """Steps taken so far."""
        newest = self.steps.column("step")
        if len(newest):
            return int(newest[-1])
        return self.starts[-1].step if self.starts else 0

    @property
    def compiling(self) -> bool:
        """Whether the step of the newest start, or of a way back, is still being compiled."""
        return self.course.compiling

    @property
    def paused(self) -> bool:
        """Whether the newest command that says so was `pause`."""
        return self.course.word == Command.PAUSE and self.finished is None

    def speed(self) -> tuple[float, float]:
        """Steps and images a second, the median of the newest calls: one slow call does not move it."""
        newest = slice(-9, None)
        rates = [self.calls.column(name)[newest] for name in ("steps_per_second", "images_per_second")]
        return (float(np.median(rates[0])), float(np.median(rates[1]))) if len(rates[0]) else (0.0, 0.0)

    def seconds_left(self) -> float | None:
        """Seconds until the last step at the newest speed, or as a run for a time plans them; None while unknown."""
        return self.time_left.to_the_end(self.step, self.total_steps, self.speed()[0])

    def checkpoint_age(self, now: float | None = None) -> float | None:
        """Seconds since the newest checkpoint of this run, or None when there is none."""
        if not self.checkpoints:
            return None
        return max(0.0, (time.time() if now is None else now) - self.checkpoints[-1].time)


def column_of(items: list[_Item], name: str) -> NDArray[np.float64]:
    """(n,) one number of each event of a list."""
    return np.array([getattr(item, name) for item in list(items)], np.float64)
