"""Dots finer than a character: 2×4 to a cell, as braille, or as the nearest ASCII character.

A curve of any length is first reduced to the smallest and largest value of each dot column, so a spike of one
step in a hundred thousand is always drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.palette import Glyphs

_BIT = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)
"""The braille bit of dot (row, column) in a cell; Unicode chart U+2800."""

Numbers = NDArray[np.float64]


def _ascii_table() -> NDArray[np.uint32]:
    top, bottom = 0x01 | 0x08 | 0x02 | 0x10, 0x04 | 0x20 | 0x40 | 0x80
    codes = []
    for bits in range(256):
        dots = bits.bit_count()
        char = " " if not bits else "|" if dots > 3 else ":" if bits & top and bits & bottom else "'"
        codes.append(ord("." if char == "'" and bits & bottom else char))
    return np.array(codes, np.uint32)


_ASCII = _ascii_table()


class Raster:
    """`bits` and `ink` (rows, columns): the dots of each cell and the ink of the last thing drawn there."""

    def __init__(self, width: int, height: int) -> None:
        self.bits: NDArray[np.uint8] = np.zeros((height, width), np.uint8)
        self.ink: NDArray[np.int16] = np.full((height, width), -1, np.int16)

    @property
    def dots(self) -> tuple[int, int]:
        """Dot columns and dot rows."""
        height, width = self.bits.shape
        return width * 2, height * 4

    def line(
        self, x: Numbers, y: Numbers, x_range: tuple[float, float], y_range: tuple[float, float], ink: int
    ) -> None:
        """Draws a curve; `x` (n,) ascends, and a value of `y` (n,) that is not finite leaves a gap."""
        columns, rows = self.dots
        if not (columns and rows):
            return
        low, high = column_extents(x, y, x_range, columns)
        drawn = np.flatnonzero(np.isfinite(low))
        if not len(drawn):
            return
        bottom = _dot_rows(low[drawn], y_range, rows)
        top = _dot_rows(high[drawn], y_range, rows)
        row = np.arange(rows)[:, None]
        on = np.zeros((rows, columns), bool)
        on[:, drawn] = (row >= top) & (row <= bottom)
        bits = np.zeros_like(self.bits)
        for dot_row, dot_column in np.ndindex(4, 2):  # a third of the time of a sum over both axes of a cell
            bits |= on[dot_row::4, dot_column::2] * _BIT[dot_row, dot_column]
        self.bits |= bits
        self.ink[bits > 0] = ink

    def points(
        self,
        x: Numbers,
        y: Numbers,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        ink: NDArray[np.int16],
    ) -> None:
        """Draws points (n,), each in its own ink; what is not finite or outside the ranges is left out."""
        columns, rows = self.dots
        inside = np.isfinite(x) & np.isfinite(y)
        inside &= (x >= x_range[0]) & (x <= x_range[1]) & (y >= y_range[0]) & (y <= y_range[1])
        if not (columns and rows and inside.any()):
            return
        column = dot_columns(x[inside], x_range, columns)
        row = _dot_rows(y[inside], y_range, rows)
        np.bitwise_or.at(self.bits, (row >> 2, column >> 1), _BIT[row & 3, column & 1])
        self.ink[row >> 2, column >> 1] = ink[inside]

    def stamp(self, cells: Cells, row: int, column: int, glyphs: Glyphs) -> None:
        """Writes the dots into `cells` with their upper left corner at (row, column)."""
        height, width = self.bits.shape
        codes = self.bits.astype(np.uint32) + 0x2800 if glyphs.braille else _ASCII[self.bits]
        on = self.bits > 0
        area = np.s_[row : row + height, column : column + width]
        cells.glyphs[area][on] = codes[on]
        cells.ink[area][on] = self.ink[on]


def dot_columns(x: Numbers, x_range: tuple[float, float], columns: int) -> NDArray[np.int64]:
    """(n,) dot column of each x inside the range."""
    scale = (columns - 1) / max(x_range[1] - x_range[0], 1e-300)
    return np.asarray(np.clip(np.rint((x - x_range[0]) * scale), 0, columns - 1), np.int64)


def _dot_rows(y: Numbers, y_range: tuple[float, float], rows: int) -> NDArray[np.int64]:
    share = (y - y_range[0]) / max(y_range[1] - y_range[0], 1e-300)
    return np.asarray(rows - 1 - np.clip(np.rint(share * (rows - 1)), 0, rows - 1), np.int64)


def column_extents(
    x: Numbers, y: Numbers, x_range: tuple[float, float], columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest value (columns,) that a curve takes in each dot column, NaN where it does not pass.

    Neighbouring columns are joined, and columns between two points are interpolated, except across a value that
    is not finite.
    """
    low = np.full(columns, np.nan)
    high = np.full(columns, np.nan)
    first, last = np.searchsorted(x, x_range[0], "left"), np.searchsorted(x, x_range[1], "right")
    x, y = x[max(0, first - 1) : last + 1], y[max(0, first - 1) : last + 1]
    finite = np.isfinite(y)
    part = np.cumsum(~finite)[finite]  # points of one unbroken stretch share a number
    x, y = x[finite], y[finite]
    if not len(x):
        return low, high
    # Points just outside the range are kept, off the edge, so that a line enters and leaves where it should.
    scale = (columns - 1) / max(x_range[1] - x_range[0], 1e-300)
    place = np.clip(np.rint((x - x_range[0]) * scale), -4 * columns, 5 * columns).astype(np.int64)
    start = np.concatenate(([0], np.flatnonzero((np.diff(place) != 0) | (np.diff(part) != 0)) + 1))
    end = np.concatenate((start[1:] - 1, [len(x) - 1]))
    at, smallest, largest = place[start], np.minimum.reduceat(y, start), np.maximum.reduceat(y, start)
    inside = (at >= 0) & (at < columns)
    np.fmin.at(low, at[inside], smallest[inside])
    np.fmax.at(high, at[inside], largest[inside])
    _join(low, high, at, y[start], y[end], part[start])
    return low, high


SAMPLED = 15
"""Values of a column whose median stands for that of all of them."""


def column_medians(x: Numbers, y: Numbers, x_range: tuple[float, float], columns: int) -> tuple[Numbers, Numbers]:
    """About the median of a curve in each dot column that has finite values, and where it lies: both (m,).

    Of many values some, evenly spread, are looked at: a hundred thousand steps cost what a thousand do.
    """
    first, last = np.searchsorted(x, x_range[0], "left"), np.searchsorted(x, x_range[1], "right")
    x, y = x[first:last], y[first:last]
    if not len(x):
        return x, y
    # The first value of each column is found, not looked for among all: `dot_columns` rounds to the nearest.
    edges = x_range[0] + (np.arange(1, columns) - 0.5) * (x_range[1] - x_range[0]) / max(1, columns - 1)
    start = np.unique(np.concatenate(([0], np.searchsorted(x, edges, "left"))))
    start = start[start < len(x)]
    size = np.diff(np.concatenate((start, [len(x)])))
    picked = start[:, None] + np.arange(SAMPLED) * size[:, None] // SAMPLED
    values = y[picked]
    finite = np.isfinite(values)
    count = finite.sum(axis=1)
    ordered = np.sort(np.where(finite, values, np.inf), axis=1)
    medians = ordered[np.arange(len(start)), np.maximum(0, (count - 1) // 2)]
    return x[start + size // 2][count > 0], medians[count > 0]


def _join(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    at: NDArray[np.int64],
    entry: NDArray[np.float64],
    leave: NDArray[np.float64],
    part: NDArray[np.int64],
) -> None:
    """Joins each group of points (at, entry value, leave value) with the next one of the same part, in place."""
    joined = np.flatnonzero(part[1:] == part[:-1])
    span = at[joined + 1] - at[joined]
    from_value, to_value = leave[joined], entry[joined + 1]
    # Each join covers the columns (at, next]; a column's value runs from the end of the column before it.
    total = int(span.sum())
    if not total:
        return
    owner = np.repeat(np.arange(len(joined)), span)
    offset = np.arange(total) - np.repeat(np.cumsum(span) - span, span) + 1
    slope = (to_value - from_value) / span
    here = from_value[owner] + slope[owner] * offset
    before = from_value[owner] + slope[owner] * (offset - 1)
    column = at[joined][owner] + offset
    inside = (column >= 0) & (column < len(low))
    column, here, before = column[inside], here[inside], before[inside]
    np.fmin.at(low, column, np.minimum(here, before))
    np.fmax.at(high, column, np.maximum(here, before))
