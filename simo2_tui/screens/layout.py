"""Which layout a terminal of some size gets."""

from __future__ import annotations


def size_class(width: int, height: int) -> str:
    """`tiny` (text only), `narrow` (one pane), `medium` (two columns) or `wide` (three)."""
    if width < 60 or height < 15:
        return "tiny"
    if width < 100 or height < 20:
        return "narrow"
    return "medium" if width < 140 or height < 30 else "wide"
