"""The state of a run, in the one word that every list and every screen has for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from simo2_core.commands import Command
from simo2_core.events import (
    Compiled,
    ControlApplied,
    Evaluated,
    Event,
    RolledBack,
    RunFinished,
    RunStarted,
    StepsLogged,
)
from simo2_core.run.owner import Owner


class State(StrEnum):
    """What a run is doing, or how it ended.

    A process owns it: `preparing` (data, before the first word of the start), `compiling`, `training`, `paused`,
    `stopping`; `silent` where it says nothing for longer than it should take. It ended by itself: `completed`,
    `settled` where validation rose no more, `stopped`, `interrupted`, `diverged`, `failed`. Nobody owns it and it did
    not end: `dead`, or `empty` where it never began. Its settings cannot be read: `damaged`. A screen that has not read
    the log yet says `reading`.
    """

    PREPARING = "preparing"
    COMPILING = "compiling"
    TRAINING = "training"
    PAUSED = "paused"
    STOPPING = "stopping"
    SILENT = "silent"
    COMPLETED = "completed"
    SETTLED = "settled"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"
    FAILED = "failed"
    DEAD = "dead"
    EMPTY = "empty"
    DAMAGED = "damaged"
    READING = "reading"

    @property
    def running(self) -> bool:
        """Whether a process is at work on it."""
        return self in _RUNNING

    @property
    def done(self) -> bool:
        """Whether it came to its end, and its test part is read."""
        return self in (State.COMPLETED, State.SETTLED)

    @property
    def unfinished(self) -> bool:
        """Whether it can be gone on with."""
        return not (self.running or self.done) and self not in (State.DAMAGED, State.READING)

    @property
    def bad(self) -> bool:
        """Whether somebody should look at it."""
        return self in (State.DIVERGED, State.FAILED, State.DEAD, State.DAMAGED, State.SILENT)


_RUNNING = (State.PREPARING, State.COMPILING, State.TRAINING, State.PAUSED, State.STOPPING, State.SILENT)

PATIENCE = 30.0
"""Seconds for which a run that trains may say nothing, beside ten times what a call takes and thrice an evaluation."""

VIEWS = 7
"""Times that an image of test may be embedded: by itself, and in six views of it."""

PICTURES = 120.0
"""Seconds that the last pictures may take: two sets, of a minute each at most."""


@dataclass
class RunCourse:
    """What a log says of the state, event by event."""

    started: bool = False
    compiling: bool = False
    """Whether the step of the newest start, or of a way back, is still being compiled."""
    word: Command | None = None
    """The newest of pause, resume and stop that the newest start was told."""
    finished: State | None = None
    """How the newest start ended, until a later one."""
    finished_at: float = 0.0
    """When, in seconds since 1970."""

    tested: bool = False
    """Whether test was read: then only the pictures are still to be drawn."""
    test_over_validation: float = 1.0
    """How many times as long reading test may take as the newest look at validation, which has fewer images."""
    stepped_at: float = 0.0
    """When it took its newest step, and
    looked_at: looked at validation, in seconds since 1970."""
    looked_at: float = 0.0

    said_at: float = 0.0
    """When it last said something, in seconds since 1970."""
    call_seconds: float = 0.0
    """What its newest call took, and
    evaluation_seconds: its longest look at validation."""
    evaluation_seconds: float = 0.0
    _images: tuple[int, int] = (0, 0)

    def heard(self, event: Event) -> None:
        """Takes how long things last, and when something was said last, from an event in any order."""
        self.said_at = max(self.said_at, event.time)
        if isinstance(event, StepsLogged) and event.steps_per_second > 0:
            self.call_seconds = len(event.total) / event.steps_per_second
            self.stepped_at = max(self.stepped_at, event.time)
        elif isinstance(event, Evaluated):
            self.evaluation_seconds = max(self.evaluation_seconds, event.seconds)
            self.looked_at = max(self.looked_at, event.time)

    def add(self, event: Event) -> None:
        """Takes one more event; those that say nothing of the state are passed over."""
        self.heard(event)
        match event:
            case RunStarted():
                # what an earlier start was told is over
                self.started, self.compiling, self.word, self.finished = True, True, None, None
                self.tested = False
                self._images = (event.train_images, event.test_images)
            case Evaluated(split="test"):
                self.tested = True
            case Evaluated():
                train, test = self._images
                embedded = (train + VIEWS * test) / max(1, event.bank + event.images)
                compared = train * test / max(1, event.bank * event.images)
                self.test_over_validation = max(1.0, embedded, compared)
            case RolledBack():
                self.compiling = True
            case Compiled() | StepsLogged():
                self.compiling = False
            case ControlApplied(command=Command.PAUSE | Command.RESUME | Command.STOP):
                self.word = event.command
            case RunFinished():
                self.finished = State(event.reason)
                self.finished_at = event.time

    def silent_for(self, owner: Owner, now: float) -> float | None:
        """For how many seconds it has said nothing, where that is longer than it should be.

        A process that was stopped by a signal says nothing whatever it does; of one that prepares or compiles nobody
        knows how long that takes, and one that is paused has nothing to say.

        Args:
            now: seconds since 1970.
        """
        if not owner.may_live:
            return None
        quiet = max(0.0, now - max(self.said_at, owner.since))
        look = self.evaluation_seconds
        if self.looked_at > self.stepped_at and not self.tested:  # it may have been the last, and test is read now
            look *= self.test_over_validation
        patience = PATIENCE + 10 * self.call_seconds + 3 * look + PICTURES * self.tested
        late = self.state(owner.since) is State.TRAINING and quiet > patience
        return quiet if owner.stopped or late else None

    def state(self, owned_since: float | None) -> State:
        """The state of a run whose settings can be read.

        Args:
            owned_since: when the process that holds the run began to, in seconds since 1970; None where none does.
        """
        if owned_since is None:
            return self.finished or (State.DEAD if self.started else State.EMPTY)
        if self.finished is not None:
            # Who ended it holds it a little longer, and after its end a run is measured; a later owner begins again.
            over = self.finished.done or owned_since <= self.finished_at
            return self.finished if over else State.PREPARING
        if not self.started:
            return State.PREPARING
        if self.word == Command.STOP:
            return State.STOPPING
        if self.compiling:
            return State.COMPILING
        return State.PAUSED if self.word == Command.PAUSE else State.TRAINING
