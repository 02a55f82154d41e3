"""The console's colours that are not drawn by a widget of ours: backgrounds, borders, titles, lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from textual.theme import Theme

THEMES = (
    Theme(name="simo2-dark", dark=True, primary="#7CC7F2", secondary="#E69F00", accent="#7CC7F2",
          foreground="#E6E9EF", background="#10141B", surface="#161B24", panel="#222936", success="#3DD6A3",
          warning="#E69F00", error="#FF6B5E"),
    Theme(name="simo2-light", dark=False, primary="#0B62A8", secondary="#D55E00", accent="#0B62A8",
          foreground="#1B2330", background="#FAFBFC", surface="#F2F4F7", panel="#E3E7ED", success="#00795A",
          warning="#B26A00", error="#C62828"),
    Theme(name="simo2-contrast", dark=True, primary="#FFFFFF", secondary="#FFFF00", accent="#00FFFF",
          foreground="#FFFFFF", background="#000000", surface="#000000", panel="#303030", success="#00FF00",
          warning="#FFFF00", error="#FF5050"),
)  # fmt: skip

_GREYS = {
    "simo2-dark": ("#EEEEEE", "#121212", "#1C1C1C", "#303030"),
    "simo2-light": ("#1C1C1C", "#FFFFFF", "#EEEEEE", "#DADADA"),
}
"""Foreground, background, surface and panel in greys of the 256 colours: the nearest to ours are navy and lavender."""


def themes_for(colours: str | None) -> Sequence[Theme]:
    """The themes in colours that a terminal has; `colours` is what rich calls its system of them."""
    return THEMES if colours != "256" else [_in_greys(theme) for theme in THEMES]


def _in_greys(theme: Theme) -> Theme:
    if theme.name not in _GREYS:
        return theme
    foreground, background, surface, panel = _GREYS[theme.name]
    return replace(theme, foreground=foreground, background=background, surface=surface, panel=panel)
