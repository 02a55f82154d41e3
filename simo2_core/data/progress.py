"""How long work on data says how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A moment in preparing or decoding a data set."""

    stage: str
    """`waiting`, `download`, `generate`, `labels`, `decode`, `statistics` or `verify`; `note` for something to tell
    the user."""
    name: str
    """The data set, with its split where there is one; of a note its sentence."""
    done: int = 0
    total: int = 0
    """0 while unknown."""
    unit: str = "images"
    """`images` or `bytes`."""


Report = Callable[[Progress], None]
"""Takes each Progress. What it raises stops the work, which leaves nothing half done behind."""


def silent(_: Progress) -> None:
    """Reports to nobody."""
