"""A grid of terminal cells as three arrays: what every renderer returns, and what becomes strips.

Drawing into arrays keeps a renderer testable without a terminal, and comparing two grids tells exactly which
cells changed: only those travel over the link.
"""

from __future__ import annotations

import itertools
import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from simo2_tui.escape import steady

BLANK = ord(" ")
NO_INK = -1
"""The terminal's (or the widget's) own colour."""

_CLUSTER = 0x110000
"""From here on a code stands for several code points in one place, such as a letter with marks: see `_clusters`."""

_BEHIND = 1 << 24
"""Added to the code of a character two cells wide, it fills the second: so both cells change together."""

MERGE_GAP = 12
"""Changed runs on a row closer than this are sent as one: a cursor move costs about as much as 12 cells."""


class Cells:
    """`glyphs` (rows, columns) uint32 codes of characters, `ink` and `paper` (rows, columns) int16 palette indices.

    A code is a code point, but for letters that carry marks and for the second cell of a wide character; only `write`
    makes those.
    """

    def __init__(self, width: int, height: int) -> None:
        shape = (max(0, height), max(0, width))
        self.glyphs: NDArray[np.uint32] = np.full(shape, BLANK, np.uint32)
        self.ink: NDArray[np.int16] = np.full(shape, NO_INK, np.int16)
        self.paper: NDArray[np.int16] = np.full(shape, NO_INK, np.int16)

    @property
    def width(self) -> int:
        return int(self.glyphs.shape[1])

    @property
    def height(self) -> int:
        return int(self.glyphs.shape[0])

    def write(self, row: int, column: int, text: str, ink: int = NO_INK) -> int:
        """Writes `text` from (row, column), clipped at the edges; returns the column after it."""
        codes = _codes(text)
        end = column + len(codes)
        if not 0 <= row < self.height:
            return end
        first, last = max(0, column), min(self.width, end)
        if first < last:
            line = self.glyphs[row]
            line[first:last] = codes[first - column : last - column]
            self.ink[row, first:last] = ink
            for edge in (first, last):  # half of a wide character is none
                _mend(line, edge)
        return end

    def row_text(self, row: int) -> str:
        """The characters of one row."""
        return _text(self.glyphs[row])

    def text(self) -> str:
        """All rows, for tests and for a reader without a terminal."""
        return "\n".join(self.row_text(row) for row in range(self.height))

    def strip(self, row: int, table: tuple[str, ...], base: Style) -> Strip:
        """One row as a Textual strip exactly `width` cells wide."""
        line, ink, paper = self.glyphs[row], self.ink[row], self.paper[row]
        if not self.width:
            return Strip([], 0)
        change = np.flatnonzero((np.diff(ink) != 0) | (np.diff(paper) != 0)) + 1
        edges = [0, *change.tolist(), self.width]
        segments = [
            Segment(_text(line[a:b]), base + _style(_colour(table, int(ink[a])), _colour(table, int(paper[a]))))
            for a, b in itertools.pairwise(edges)
        ]
        return Strip(segments, self.width)

    def changes(self, older: Cells | None) -> list[Region] | None:
        """The regions that differ from `older`; None when everything must be drawn again."""
        if older is None or older.glyphs.shape != self.glyphs.shape:
            return None
        differ = (self.glyphs != older.glyphs) | (self.ink != older.ink) | (self.paper != older.paper)
        regions = []
        for row in np.flatnonzero(differ.any(axis=1)):
            columns = np.flatnonzero(differ[row])
            cut = np.flatnonzero(np.diff(columns) > MERGE_GAP)
            starts = np.concatenate((columns[:1], columns[cut + 1]))
            ends = np.concatenate((columns[cut], columns[-1:]))
            regions += [Region(int(a), int(row), int(b - a) + 1, 1) for a, b in zip(starts, ends, strict=True)]
        return regions


_clusters: list[str] = []
"""What the codes from `_CLUSTER` on stand for."""


@lru_cache(maxsize=4096)
def _codes(text: str) -> tuple[int, ...]:
    """A code for each cell that a text takes; what cannot be drawn is `?`."""
    codes: list[int] = []
    for char in steady(text):
        wide = cell_len(char)
        if wide == 0 and unicodedata.category(char).startswith("M") and codes:
            behind = codes[-1] >= _BEHIND
            with_mark = _cluster(codes[-1 - behind], char)
            codes[-1 - behind :] = [with_mark, with_mark + _BEHIND] if behind else [with_mark]
        elif wide:
            code = ord(char) if char.isprintable() else ord("?")
            codes += [code, code + _BEHIND] if wide == 2 else [code]
        elif not char.isprintable():
            codes.append(ord("?"))
    return tuple(codes)


@lru_cache(maxsize=4096)
def _cluster(code: int, mark: str) -> int:
    _clusters.append((_clusters[code - _CLUSTER] if code >= _CLUSTER else chr(code)) + mark)
    return _CLUSTER + len(_clusters) - 1


def _text(line: NDArray[np.uint32]) -> str:
    """The characters of neighbouring cells."""
    if not (line >= _CLUSTER).any():
        return str(line.astype("<u4").tobytes().decode("utf-32-le"))
    return "".join(
        _clusters[code - _CLUSTER] if code >= _CLUSTER else chr(code) for code in line.tolist() if code < _BEHIND
    )


def _mend(line: NDArray[np.uint32], edge: int) -> None:
    """Blanks what is left of a wide character of which one cell has been written over, on both sides of `edge`."""
    if edge < len(line) and line[edge] >= _BEHIND and (not edge or line[edge - 1] + _BEHIND != line[edge]):
        line[edge] = BLANK
    if edge > 0 and _is_wide(int(line[edge - 1])) and (edge == len(line) or line[edge] != line[edge - 1] + _BEHIND):
        line[edge - 1] = BLANK


@lru_cache(maxsize=4096)
def _is_wide(code: int) -> bool:
    if code >= _BEHIND:
        return False
    return cell_len(_clusters[code - _CLUSTER] if code >= _CLUSTER else chr(code)) == 2


def _colour(table: tuple[str, ...], index: int) -> str | None:
    return table[index] if 0 <= index < len(table) else None


@lru_cache(maxsize=8192)
def _style(ink: str | None, paper: str | None) -> Style:
    return Style(color=ink, bgcolor=paper)
