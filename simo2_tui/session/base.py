"""What a screen may ask of a session, whoever trains."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from simo2_core.commands import Command
from simo2_core.config import Config
from simo2_core.data.progress import Progress
from simo2_core.run.directory import RunDirectory
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


def state_of(session: Session) -> str:
    """The run's state in one word: preparing, compiling, training, paused, stopping, its end, failed or dead."""
    history = session.history
    if history.finished is not None:
        return history.finished.reason
    if session.error is not None:
        return "failed"
    if not session.alive:
        return "dead" if history.starts or not session.owned_here else "preparing"
    if session.stop_asked or history.word == Command.STOP:
        return "stopping"
    if not history.starts:
        return "preparing"
    if history.compiling:
        return "compiling"
    return "paused" if history.paused else "training"


def watched_file(run: RunDirectory) -> Path:
    """Its time of change says when somebody last looked at the run."""
    return run.control / "watched"
