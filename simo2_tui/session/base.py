"""What a screen may ask of a session, whoever trains."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from simo2_core.config import Config
from simo2_core.data.progress import Progress
from simo2_core.run.directory import RunDirectory
from simo2_core.run.owner import Owner
from simo2_core.run.state import State
from simo2_tui.session.history import History


class Session(Protocol):
    """A run that is watched. Screens know this and nothing of threads, files or trainers."""

    history: History
    config: Config
    read_only: bool
    """Whether commands are refused."""
    progress: Progress | None
    """How far preparing the data is, while that is what happens here."""
    stop_asked: bool
    """Whether a stop was asked for from here: said at once, however long the trainer takes to hear of it."""

    @property
    def run(self) -> RunDirectory | None:
        """The run's folder, or None while it is being made."""

    @property
    def reading(self) -> bool:
        """Whether what the log said at the start is still being read: until then nothing can be said of the run."""

    @property
    def owned_since(self) -> float | None:
        """When whoever trains it began to, in seconds since 1970; None where nobody does."""

    @property
    def silent_for(self) -> float | None:
        """Seconds for which whoever trains it has said nothing, where that is longer than it should be."""

    @property
    def owner(self) -> Owner | None:
        """Whoever trains it or did last, where that is another process."""

    @property
    def alive(self) -> bool:
        """Whether somebody is training it now."""

    @property
    def owned_here(self) -> bool:
        """Whether this process is training it."""

    @property
    def error(self) -> BaseException | None:
        """What ended training, when that was not planned."""

    def command(self, word: str) -> None:
        """Asks the trainer for one of the words of `simo2_core.commands.Command`."""

    def close(self) -> None:
        """Stops watching; training goes on."""


def state_of(session: Session) -> State:
    """The run's state, as every list has it; `reading` until its log has been read."""
    if session.reading:
        return State.READING
    history = session.history
    if session.error is not None and history.finished is None:
        return State.FAILED
    state = history.course.state(session.owned_since)
    if state.running and session.silent_for is not None:
        return State.SILENT
    return State.STOPPING if session.stop_asked and state.running else state


def watched_file(run: RunDirectory) -> Path:
    """Its time of change says when somebody last looked at the run."""
    return run.control / "watched"
