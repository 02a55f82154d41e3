"""Which installed fonts draw the characters that matplotlib's own font lacks: Chinese, Korean, Thai and others.

What that font has is drawn by it alone, so that the same names give the same bytes on every machine.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from pathlib import Path

from matplotlib import font_manager, get_data_path
from matplotlib.ft2font import FT2Font

_UNFIT = re.compile(r"DejaVu|Last ?Resort|Emoji|Adobe Blank|^cm|^STIX(Non|Siz)", re.IGNORECASE)
"""Boxes for every character, colour bitmaps, and symbols in places of letters."""

_LAST = re.compile(r"Unifont|Bitmap", re.IGNORECASE)
"""Coarse, but better than nothing."""


_OWN = FT2Font(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"))


def own_font_has(character: str) -> bool:
    """Whether matplotlib's own font draws a character."""
    return bool(_OWN.get_char_index(ord(character)))


@lru_cache(maxsize=32)
def fonts_for(characters: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Families of installed fonts for characters that the own font lacks, and the characters that they draw.

    Of upright fonts the one that has most of what is still missing is taken, until nothing more is gained.
    """
    missing = {character for character in characters if not own_font_has(character)}
    if not missing:
        return (), frozenset()
    # that a family has no bold face is nothing to tell the user of
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    entries = [
        entry for entry in font_manager.fontManager.ttflist if entry.style == "normal" and not _UNFIT.search(entry.name)
    ]
    entries.sort(key=lambda entry: (bool(_LAST.search(entry.name)), entry.weight != 400, entry.name, entry.fname))
    found = [(entry.name, _covered(entry.fname, missing)) for entry in entries]
    families: list[str] = []
    drawn: set[str] = set()
    while found:
        name, gained = max(found, key=lambda one: len(one[1] - drawn))  # the first of equals
        if gained <= drawn:
            break
        families.append(name)
        drawn |= gained
    return tuple(families), frozenset(drawn)


def _covered(path: str, characters: set[str]) -> set[str]:
    """Those of the characters that the font in a file has."""
    try:
        face = FT2Font(path)
    except (OSError, RuntimeError):  # a font that is gone, or of a kind that FreeType here cannot read
        return set()
    return {character for character in characters if face.get_char_index(ord(character))}
