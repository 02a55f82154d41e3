"""Which layout a terminal of some size gets."""

from __future__ import annotations

NARROWEST = (60, 15)
"""Columns and rows from which on there is more than text."""


def size_class(width: int, height: int) -> str:
    """`tiny` (text only), `narrow` (one pane), `medium` (two columns) or `wide` (three)."""
    if width < NARROWEST[0] or height < NARROWEST[1]:
        return "tiny"
    if width < 100 or height < 20:
        return "narrow"
    return "medium" if width < 140 or height < 30 else "wide"
