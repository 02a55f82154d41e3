"""A grid of terminal cells as three arrays: what every renderer returns, and what becomes strips.

Drawing into arrays keeps a renderer testable without a terminal, and comparing two grids tells exactly which
cells changed: only those travel over the link.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

BLANK = ord(" ")
NO_INK = -1
"""The terminal's (or the widget's) own colour."""

MERGE_GAP = 12
"""Changed runs on a row closer than this are sent as one: a cursor move costs about as much as 12 cells."""


class Cells:
    """`glyphs` (rows, columns) uint32 code points, `ink` and `paper` (rows, columns) int16 palette indices."""

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
        end = column + len(text)
        if not 0 <= row < self.height:
            return end
        first, last = max(0, column), min(self.width, end)
        if first < last:
            codes = [_narrow(char) for char in text[first - column : last - column]]
            self.glyphs[row, first:last] = codes
            self.ink[row, first:last] = ink
        return end

    def row_text(self, row: int) -> str:
        """The characters of one row."""
        return str(self.glyphs[row].astype("<u4").tobytes().decode("utf-32-le"))

    def text(self) -> str:
        """All rows, for tests and for a reader without a terminal."""
        return "\n".join(self.row_text(row) for row in range(self.height))

    def strip(self, row: int, table: tuple[str, ...], base: Style) -> Strip:
        """One row as a Textual strip exactly `width` cells wide."""
        text, ink, paper = self.row_text(row), self.ink[row], self.paper[row]
        if not self.width:
            return Strip([], 0)
        change = np.flatnonzero((np.diff(ink) != 0) | (np.diff(paper) != 0)) + 1
        edges = [0, *change.tolist(), self.width]
        segments = [
            Segment(text[a:b], base + _style(_colour(table, int(ink[a])), _colour(table, int(paper[a]))))
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


@lru_cache(maxsize=4096)
def _narrow(char: str) -> int:
    return ord(char) if cell_len(char) == 1 and char.isprintable() else ord("?")


def _colour(table: tuple[str, ...], index: int) -> str | None:
    return table[index] if 0 <= index < len(table) else None


@lru_cache(maxsize=8192)
def _style(ink: str | None, paper: str | None) -> Style:
    return Style(color=ink, bgcolor=paper)
