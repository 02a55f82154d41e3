"""The PNG files of a run, looked at in the terminal, and how to copy one home."""

from __future__ import annotations

import getpass
import os
import shlex
import socket
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content

from simo2_core.run.directory import RunDirectory
from simo2_tui.screens.base import Modal
from simo2_tui.screens.clipboard import copy
from simo2_tui.widgets.picture import Picture


def plots_of(run: RunDirectory) -> list[Path]:
    """The run's pictures, the newest first."""
    try:
        return sorted(run.plots.glob("*.png"), key=lambda path: (-path.stat().st_mtime, path.name))
    except OSError:
        return []


def copy_line(path: Path) -> str:
    """The command that fetches `path`, to be typed at the other end of the connection."""
    # SSH_CONNECTION is "client port server port": the address by which the user came in is known to work.
    reached = os.environ.get("SSH_CONNECTION", "").split()
    host = reached[2] if len(reached) == 4 else socket.gethostname()
    return f"scp {shlex.quote(f'{getpass.getuser()}@{host}:{path.resolve()}')} ."


class PlotsScreen(Modal[None]):
    """One picture at a time."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n,right", "turn(1)", "next"),
        Binding("p,left", "turn(-1)", "previous"),
        Binding("Y", "copy", "copy scp line"),
        Binding("escape,q,v", "dismiss", "close"),
    ]

    def __init__(self, paths: list[Path]) -> None:
        super().__init__()
        self._paths = paths
        self._index = 0

    def compose(self) -> ComposeResult:
        with Vertical(id="frame", classes="pane"):
            yield Picture(id="picture")

    def on_mount(self) -> None:
        self.action_turn(0)

    def action_turn(self, by: int) -> None:
        """Shows the next or the previous picture."""
        self._index = (self._index + by) % len(self._paths)
        path = self._paths[self._index]
        frame = self.query_one("#frame")
        frame.border_title = Content(f"{path.name} · {self._index + 1} of {len(self._paths)}")
        frame.border_subtitle = "n p next, previous · Y copy scp line · Esc close"
        self.query_one(Picture).show(path)

    def action_copy(self) -> None:
        """Copies the command that fetches the picture."""
        copy(self.app, copy_line(self._paths[self._index]))
