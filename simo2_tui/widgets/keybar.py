"""The keys that work now, in the last row: as many as fit, and always those that lead out and to the help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.widgets import Footer

ALWAYS = ("quit", "help")
"""Actions whose keys are shown however little room there is."""


class KeyBar(Footer):
    """Textual's footer, which would cut a key in two at the edge, and drop those behind it."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False, compact=True)
        self._room = 0

    def compose(self) -> ComposeResult:
        keys: list[Any] = list(super().compose())
        idle: frozenset[str] = getattr(self.screen, "idle_actions", frozenset())
        yield from fitting([key for key in keys if key.action not in idle], self.app.size.width - 1)

    def on_resize(self) -> None:
        if self.app.size.width != self._room:
            self._room = self.app.size.width
            self.call_after_refresh(self.recompose)


def fitting(keys: Sequence[Any], room: int) -> list[Any]:
    """The keys that fit in `room` columns, those of the focus and of the screen first, in their order."""
    kept = {key for key in keys if key.action in ALWAYS}
    room -= sum(map(_columns, kept))
    for key in keys:
        if key in kept:
            continue
        room -= _columns(key)
        if room < 0:
            break
        kept.add(key)
    return [key for key in keys if key in kept]


def _columns(key: Any) -> int:
    """Columns of a key: what it is called, what it does, and a blank behind each."""
    return cell_len(key.key_display) + cell_len(key.description) + 2
