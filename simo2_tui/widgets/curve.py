"""Curves over steps: arrays in, cells out.

    ━ total 143  ━ same 2.31  ━ diff 131        one row: names and values, at the cursor or the newest
      10┈┈┈⠉⠢⡀┈┈┈┈┈┈┈┊┈┈┈┈┈
       1      ⠈⠒⠤⠤⣀⣀⣀⣊⣀⣀⣀⣀                   the curves, over a grid at the ticks
        0     100      200                     steps; at the top, flags where something happened

A value that is not finite is a mark in the column of its step: it is never dropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simo2_tui.widgets import axis
from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.palette import ACCENT, ALERT, FAINT, MUTED, TEXT, UNICODE, Glyphs
from simo2_tui.widgets.raster import Raster, dot_columns

GUTTER = 7
"""Columns for the labels of the value axis; constant, or every new label would move the whole chart."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Series:
    """A named curve: `x` (n,) ascending steps, `y` (n,) values, NaN and infinities included."""

    name: str
    x: Array
    y: Array
    ink: int
    dotted: bool = False
    """Also mark each point: for the few points of evaluations."""
    unit: str = ""
    """Written after the value in the legend, such as `%`."""


@dataclass(frozen=True, kw_only=True)
class View:
    """What part of the curves is shown, and how."""

    low: float = 0.0
    """First step on the axis."""
    high: float = 100.0
    log_y: bool = False
    smooth: int = 1
    """Steps averaged for the bold curve; the raw one stays behind it, faint."""
    cursor: float | None = None
    """The step whose values the legend shows."""
    y_range: tuple[float, float] | None = None
    """A fixed range of values, instead of one around the data."""


@dataclass(frozen=True)
class Flag:
    """Something that happened at `x`, drawn at the top of the chart, where curves are rare."""

    x: float
    ink: int
    waiting: bool = False
    """Drawn at the bottom instead: a call that had to wait."""


def smoothed(y: Array, steps: int) -> Array:
    """(n,) mean of the last `steps` finite values at each point; NaN where the point itself is not finite."""
    if steps <= 1 or not len(y):
        return y
    finite = np.isfinite(y)
    sums = np.concatenate(([0.0], np.cumsum(np.where(finite, y, 0.0))))
    counts = np.concatenate(([0], np.cumsum(finite)))
    start = np.maximum(np.arange(len(y)) + 1 - steps, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (sums[1:] - sums[start]) / (counts[1:] - counts[start])
    return np.where(finite, mean, np.nan)


def _visible(item: Series, view: View) -> tuple[Array, Array]:
    first, last = np.searchsorted(item.x, view.low, "left"), np.searchsorted(item.x, view.high, "right")
    return item.x[first:last], item.y[first:last]


def value_range(series: Sequence[Series], view: View) -> tuple[float, float]:
    """The range of the value axis (exponents of ten when `view.log_y`), around the finite values in view."""
    if view.y_range is not None and not view.log_y:
        return view.y_range
    lows, highs = [], []
    for item in series:
        _, y = _visible(item, view)
        y = y[np.isfinite(y)]
        y = y[y > 0] if view.log_y else y
        if len(y):
            lows.append(float(y.min()))
            highs.append(float(y.max()))
    if not lows:
        return (0.0, 1.0)
    return (axis.round_log_range if view.log_y else axis.round_range)(min(lows), max(highs))


def render_curves(
    series: Sequence[Series],
    view: View,
    width: int,
    height: int,
    *,
    flags: Sequence[Flag] = (),
    glyphs: Glyphs = UNICODE,
    empty: str = "no steps yet",
) -> Cells:
    """Draws `series` in a grid of `width` × `height` cells; any size is drawn as far as it goes."""
    cells = Cells(width, height)
    gutter = GUTTER if width >= 30 else 0
    columns, rows = width - gutter, height - 2
    if columns < 2 or rows < 1:
        _legend(cells, series, view, glyphs)
        return cells
    if not any(len(item.x) for item in series):
        cells.write(1 + rows // 2, max(0, (width - len(empty)) // 2), empty, MUTED)
        return cells
    y_range = value_range(series, view)
    _grid(cells, view, y_range, gutter, rows, glyphs)
    raster = Raster(columns, rows)
    x_range = (view.low, view.high)
    if view.smooth > 1:
        for item in series:
            raster.line(item.x, _scale(item.y, view), x_range, y_range, FAINT)
    for item in series:
        raster.line(item.x, _scale(smoothed(item.y, view.smooth), view), x_range, y_range, item.ink)
    raster.stamp(cells, 1, gutter, glyphs)
    for item in series:
        _points(cells, item, view, y_range, gutter, rows, glyphs)
    _step_axis(cells, view, gutter, height - 1)
    _flags(cells, flags, view, gutter, rows, glyphs)
    if view.cursor is not None and view.low <= view.cursor <= view.high:
        column = gutter + int(dot_columns(np.array([view.cursor]), x_range, columns * 2)[0]) // 2
        for row in range(1, 1 + rows):
            if cells.glyphs[row, column] in (ord(" "), ord(glyphs.grid)):
                cells.write(row, column, glyphs.cursor, ACCENT)
    _legend(cells, series, view, glyphs)
    return cells


def _flags(cells: Cells, flags: Sequence[Flag], view: View, gutter: int, rows: int, glyphs: Glyphs) -> None:
    shown = [flag for flag in flags if view.low <= flag.x <= view.high]
    x = np.array([flag.x for flag in shown])
    columns = dot_columns(x, (view.low, view.high), (cells.width - gutter) * 2) // 2 if shown else ()
    for flag, column in zip(shown, columns, strict=True):
        row, mark = (rows, glyphs.waiting) if flag.waiting else (1, glyphs.flag)
        free = cells.glyphs[row, gutter + int(column)] in (ord(" "), ord(glyphs.grid), ord(glyphs.flag))
        if free or flag.waiting:  # a call that waits is a dip of the curve just there
            cells.write(row, gutter + int(column), mark, flag.ink)


def _scale(y: Array, view: View) -> Array:
    if not view.log_y:
        return y
    with np.errstate(divide="ignore", invalid="ignore"):
        # Zero and below have no logarithm: the curve runs off the bottom there, and a NaN stays a NaN.
        return np.where(y > 0, np.log10(y), np.where(np.isnan(y), np.nan, -300.0))


def _grid(cells: Cells, view: View, y_range: tuple[float, float], gutter: int, rows: int, glyphs: Glyphs) -> None:
    most = max(2, rows // 3)
    if view.log_y:
        values = axis.log_ticks(*y_range, most)
        labels = [axis.short(10.0**value) for value in values.tolist()]
    else:
        values = axis.ticks(*y_range, most)
        labels = axis.tick_labels(values)
    taken = -2
    for value, label in zip(values.tolist()[::-1], labels[::-1], strict=True):
        share = (value - y_range[0]) / (y_range[1] - y_range[0])
        row = 1 + round((1 - share) * (rows - 1))
        if row <= taken + 1 and rows > 3:
            continue
        taken = row
        cells.write(row, gutter, glyphs.grid * (cells.width - gutter), FAINT)
        if gutter:
            cells.write(row, 0, f"{label:>{gutter - 1}}", MUTED)


def _points(
    cells: Cells, item: Series, view: View, y_range: tuple[float, float], gutter: int, rows: int, glyphs: Glyphs
) -> None:
    x, y = _visible(item, view)
    columns = cells.width - gutter
    broken = ~np.isfinite(y)
    if broken.any():
        for column in np.unique(dot_columns(x[broken], (view.low, view.high), columns * 2) // 2).tolist():
            cells.write(1, gutter + column, glyphs.broken, ALERT)
    if item.dotted and len(x) <= columns:
        scaled = _scale(y, view)[~broken]
        place = dot_columns(x[~broken], (view.low, view.high), columns * 2) // 2
        share = np.clip((scaled - y_range[0]) / (y_range[1] - y_range[0]), 0, 1)
        for column, level in zip(place.tolist(), share.tolist(), strict=True):
            cells.write(1 + round((1 - level) * (rows - 1)), gutter + column, glyphs.dot, item.ink)


def _step_axis(cells: Cells, view: View, gutter: int, row: int) -> None:
    columns = cells.width - gutter
    values = axis.ticks(view.low, view.high, max(1, columns // 12))
    taken = -1
    for value in values.tolist():
        label = axis.short(value) if view.high >= 1e5 and value >= 1e4 else f"{value:.0f}"
        share = (value - view.low) / max(view.high - view.low, 1e-300)
        start = gutter + round(share * (columns - 1)) - len(label) // 2
        start = min(max(start, gutter), cells.width - len(label))
        if start > taken:
            taken = cells.write(row, start, label, MUTED)


def value_at(item: Series, x: float | None, smooth: int = 1) -> float | None:
    """The (smoothed) value of the newest point at or before step `x`, or of the newest point of all."""
    last = len(item.x) if x is None else int(np.searchsorted(item.x, x, "right"))
    if not last:
        return None
    y = item.y[max(0, last - smooth) : last]
    if smooth > 1 and math.isfinite(y[-1]):
        y = y[np.isfinite(y)]
        return float(y.mean())
    return float(y[-1])


def _legend(cells: Cells, series: Sequence[Series], view: View, glyphs: Glyphs) -> None:
    if not cells.height:
        return
    column = 0
    if view.cursor is not None:
        column = cells.write(0, 0, f"@{view.cursor:.0f} ", ACCENT)
    values = [value_at(item, view.cursor, view.smooth) for item in series]
    texts = [
        "-" if value is None else axis.short(value) + item.unit for item, value in zip(series, values, strict=True)
    ]
    wide = column + sum(len(item.name) + len(text) + 5 for item, text in zip(series, texts, strict=True)) - 2
    full = wide <= cells.width
    for item, value, text in zip(series, values, texts, strict=True):
        if column and column + len(item.name) + len(text) + 1 > cells.width:
            break
        if full:
            column = cells.write(0, column, glyphs.line + " ", item.ink)
        # Where the samples of the lines do not fit, the names take their colours.
        column = cells.write(0, column, item.name + " ", MUTED if full else item.ink)
        broken = value is not None and not math.isfinite(value)
        column = cells.write(0, column, text, ALERT if broken else TEXT) + (2 if full else 1)
