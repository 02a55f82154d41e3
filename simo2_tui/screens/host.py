"""What a screen may ask of the app that shows it; the app is a floor above and is not imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, cast

from textual.screen import Screen

from simo2_core.config import Config
from simo2_core.run.directory import RunDirectory
from simo2_tui.refresh import Refresh


class OpensRuns(Protocol):
    """What opens runs."""

    read_only: bool
    """Whether this console only watches: it commands, starts and goes on with none."""

    def start(self, config: Config, name: str | None = None) -> None:
        """Starts a run and shows it; without a name it gets one of preset and time."""

    def resume(self, run: RunDirectory) -> None:
        """Continues a run from its newest checkpoint and shows it."""

    def follow(self, run: RunDirectory) -> bool:
        """Shows a run that is trained elsewhere, or has ended; gives whether it is shown."""

    def leave_monitor(self) -> None:
        """Goes back to the launcher, when the run does not need this console any more."""


class Host(Protocol):
    """The app, as screens know it."""

    run_dir: Path
    opener: OpensRuns
    refreshing: Refresh


def host_of(screen: Screen[Any]) -> Host:
    """The app that shows `screen`."""
    return cast(Host, screen.app)
