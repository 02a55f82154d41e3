"""Names of classes in a given number of cells, of characters that the terminal can show."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from rich.cells import cell_len

from simo2_core.short_names import shorten
from simo2_tui.escape import steady, to_ascii
from simo2_tui.widgets.palette import Glyphs


def shown_names(names: Sequence[str], width: int, glyphs: Glyphs) -> tuple[str, ...]:
    """The names of all classes, each at most `width` cells wide and still different from the others where it can be."""
    return _shown(tuple(names), max(1, width), not glyphs.braille)


@lru_cache(maxsize=64)
def _shown(names: tuple[str, ...], width: int, ascii_only: bool) -> tuple[str, ...]:
    names = tuple(map(steady, names))
    if ascii_only:
        names = tuple(_in_ascii(name, label) for label, name in enumerate(names))
    return tuple(shorten(names, width, width=cell_len))


def _in_ascii(name: str, label: int) -> str:
    """A name that is mostly in another script becomes `class 7`: question marks tell nothing apart."""
    if name.isascii():
        return name
    known = "".join(to_ascii(char).replace("?", "") if not char.isascii() else char for char in name)
    return known if 2 * len(known) > len(name) else f"class {label}"
