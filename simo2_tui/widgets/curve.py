"""Curves over steps: arrays in, cells out.

    ━ total 143  ━ same 2.31  ━ diff 131        one row: names and values, at the cursor or the newest
      10┈┈┈⠉⠢⡀┈┈┈┈┈┈┈┊┈┈┈┈┈ 4e-3               the curves, over a grid at the ticks; at the right the
       1      ⠈⠒⠤⠤⣀⣀⣀⣊⣀⣀⣀⣀ 0                  axis of another quantity, where there is one
        0     100      200                     steps; at the top, flags where something happened

A value that is not finite is a mark in the column of its step: it is never dropped. Where a column has many steps, the
curve is their median over a faint band from the least to the most of them. The first steps of a run, or a single one,
must not press all others flat: what lies far outside the usual values is an arrow at the edge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from simo2_tui.widgets import axis
from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.frame import Frame, draw_grid, draw_right_axis, draw_step_axis
from simo2_tui.widgets.palette import ACCENT, ALERT, FAINT, MUTED, TEXT, UNICODE, Glyphs
from simo2_tui.widgets.raster import Raster, column_medians, dot_columns
from simo2_tui.widgets.text import wrapped

GUTTER = 7
"""Columns for the labels of the value axis; constant, or every new label would move the whole chart."""

RIGHT = 6
"""Columns for those of the axis at the right."""

RIGHT_FROM = 38
"""Columns from which on the axis at the right has labels as well."""

DENSE = 3
"""Points a dot column from which on a curve is their median over their band."""

SOME = 1000
"""Values of a curve by which its usual ones are told."""

NOWHERE = -400.0
"""The logarithm of what has none, below that of every number."""

MARKS = 8
"""Marks along a curve where there are no colours."""

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
    right: bool = False
    """Measured on an axis of its own, linear from 0, at the right: another quantity than the others."""
    top: float | None = None
    """Where the axis at the right ends; by default above the largest value in view."""


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
    all_values: bool = False
    """Whether the range holds every value; else it holds the usual ones, and marks stand for those outside."""

    def describe(self) -> list[str]:
        """How values are shown where that is not the usual way, in words."""
        words = ["log"] if self.log_y else []
        words += ["all values"] if self.all_values else []
        return [*words, f"mean of {self.smooth}"] if self.smooth > 1 else words


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
    """The range of the left axis (exponents of ten when `view.log_y`), around the finite values in view.

    Around the usual ones, unless `view.all_values`: see `axis.usual_range`. Points that are marked one by one are few,
    and all usual.
    """
    if view.y_range is not None and not view.log_y:
        return view.y_range
    lows, highs, usual = [], [], []
    for item in series:
        if item.right:
            continue
        y = _scalable(_visible(item, view)[1], view)
        if len(y):
            ends = _scale(np.array([y.min(), y.max()]), view).tolist()
            lows.append(ends[0])
            highs.append(ends[1])
            some = _scale(y[(len(y) - 1) % (1 + len(y) // SOME) :: 1 + len(y) // SOME], view)  # the newest among them
            usual.append((ends[0], ends[1]) if item.dotted else axis.usual_range(some))
    if not lows:
        return (0.0, 1.0)
    low, high = min(lows), max(highs)
    if not view.all_values:
        low, high = axis.without_outliers(low, high, usual)
    return axis.round_log_range(10.0**low, 10.0**high) if view.log_y else axis.round_range(low, high)


def right_range(series: Sequence[Series], view: View) -> tuple[float, float]:
    """The range of the right axis: from 0 to above the finite values in view."""
    tops = [0.0]
    for item in series:
        if item.right:
            _, y = _visible(item, view)
            y = y[np.isfinite(y)]
            tops.append(item.top if item.top is not None else float(y.max()) if len(y) else 0.0)
    return axis.round_range(0.0, max(tops)) if max(tops) > 0 else (0.0, 1.0)


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
    left = GUTTER if width >= 30 else 0
    right = RIGHT if width >= RIGHT_FROM and any(item.right for item in series) else 0
    frame = Frame(left, width - left - right, height - 2)
    if frame.columns < 2 or frame.rows < 1:
        _legend(cells, series, view, glyphs)
        return cells
    if not any(len(item.x) for item in series):
        for row, words in enumerate(wrapped(empty, width)):
            cells.write(1 + frame.rows // 2 + row, (width - cell_len(words)) // 2, words, MUTED)
        return cells
    y_range, y_right = value_range(series, view), right_range(series, view)
    draw_grid(cells, frame, view.log_y, y_range, glyphs)
    if right:
        draw_right_axis(cells, frame, y_right, next(item.ink for item in series if item.right))
    _lines(cells, frame, series, view, (y_range, y_right), glyphs)
    for place, item in reversed(list(enumerate(series))):  # as the lines: the first is the most telling, and on top
        mark = _mark(place, glyphs)
        y_axis = y_right if item.right else y_range
        _outside(cells, frame, item, view, y_axis, glyphs)
        _points(cells, frame, item, view, y_axis, glyphs, mark)
        if mark and not item.dotted:
            _marks(cells, frame, item, view, y_axis, mark, (place + 1) / (len(series) + 1))
    draw_step_axis(cells, frame, view.low, view.high)
    _flags(cells, frame, flags, view, glyphs)
    if view.cursor is not None and view.low <= view.cursor <= view.high:
        at = dot_columns(np.array([view.cursor]), (view.low, view.high), frame.columns * 2)
        column = left + int(at[0]) // 2
        for row in range(1, 1 + frame.rows):
            if cells.glyphs[row, column] in (ord(" "), ord(glyphs.grid)):
                cells.write(row, column, glyphs.cursor, ACCENT)
    _legend(cells, series, view, glyphs)
    return cells


def _lines(
    cells: Cells,
    frame: Frame,
    series: Sequence[Series],
    view: View,
    ranges: tuple[tuple[float, float], tuple[float, float]],
    glyphs: Glyphs,
) -> None:
    """The curves; behind them, faint, what they are the mean or median of. `ranges` are of left and right axis."""
    raster = Raster(frame.columns, frame.rows)
    x_range, columns = (view.low, view.high), frame.columns * 2
    bold: list[tuple[Series, Array, Array]] = []
    for item in reversed(series):
        x, y = item.x, item.y
        dense = len(_visible(item, view)[0]) > DENSE * columns
        if view.smooth > 1 or dense:
            raster.line(x, y if item.right else _scale(y, view), x_range, ranges[item.right], FAINT)
        if view.smooth > 1:
            y = smoothed(y, view.smooth)
        elif dense:
            x, y = column_medians(x, y, x_range, frame.columns)
        bold.append((item, x, y))
    for item, x, y in bold:
        raster.line(x, y if item.right else _scale(y, view), x_range, ranges[item.right], item.ink)
    raster.stamp(cells, 1, frame.left, glyphs)


def _outside(
    cells: Cells, frame: Frame, item: Series, view: View, y_range: tuple[float, float], glyphs: Glyphs
) -> None:
    """Arrows at the edge for values that lie beyond the axis."""
    x, y = _visible(item, view)
    slack = (y_range[1] - y_range[0]) * 1e-9
    low, high = y_range[0] - slack, y_range[1] + slack
    if view.log_y and not item.right:
        low, high = 10.0**low, 10.0**high
    up, down = ("↑", "↓") if glyphs.braille else ("^", "v")
    for beyond, row, arrow in ((y > high, 1, up), (y < low, frame.rows, down)):
        at = x[beyond & np.isfinite(y)] if beyond.any() else x[:0]
        if len(at):
            for column in np.unique(dot_columns(at, (view.low, view.high), frame.columns * 2) // 2).tolist():
                cells.write(row, frame.left + column, arrow, item.ink)


def _flags(cells: Cells, frame: Frame, flags: Sequence[Flag], view: View, glyphs: Glyphs) -> None:
    shown = [flag for flag in flags if view.low <= flag.x <= view.high]
    x = np.array([flag.x for flag in shown])
    columns = dot_columns(x, (view.low, view.high), frame.columns * 2) // 2 if shown else ()
    for flag, column in zip(shown, columns, strict=True):
        row, mark = (frame.rows, glyphs.waiting) if flag.waiting else (1, glyphs.flag)
        free = cells.glyphs[row, frame.left + int(column)] in (ord(" "), ord(glyphs.grid), ord(glyphs.flag))
        if free or flag.waiting:  # a call that waits is a dip of the curve just there
            alarm = flag.ink == ALERT and not flag.waiting and not glyphs.colour
            cells.write(row, frame.left + int(column), "!" if alarm else mark, flag.ink)


def _scalable(y: Array, view: View) -> Array:
    """The values that have a place on the axis."""
    y = y[np.isfinite(y)]
    return y[y > 0] if view.log_y else y


def _scale(y: Array, view: View) -> Array:
    if not view.log_y:
        return y
    with np.errstate(divide="ignore", invalid="ignore"):
        # Zero and below have no logarithm: the curve runs off the bottom there, and a NaN stays a NaN.
        return np.where(y > 0, np.log10(y), np.where(np.isnan(y), np.nan, NOWHERE))


def _points(
    cells: Cells,
    frame: Frame,
    item: Series,
    view: View,
    y_range: tuple[float, float],
    glyphs: Glyphs,
    mark: str,
) -> None:
    x, y = _visible(item, view)
    columns, x_range = frame.columns, (view.low, view.high)
    broken = ~np.isfinite(y)
    if broken.any():
        for column in np.unique(dot_columns(x[broken], x_range, columns * 2) // 2).tolist():
            cells.write(1, frame.left + column, glyphs.broken, ALERT)
    if item.dotted and len(x) <= columns:
        scaled = (y if item.right else _scale(y, view))[~broken]
        place = dot_columns(x[~broken], x_range, columns * 2) // 2
        share = (scaled - y_range[0]) / (y_range[1] - y_range[0])
        for column, level in zip(place.tolist(), share.tolist(), strict=True):
            cells.write(frame.row(level), frame.left + column, mark or glyphs.dot, item.ink)


def _mark(place: int, glyphs: Glyphs) -> str:
    """What tells the curve at that place from the others where there are no colours; "" where there are."""
    return "" if glyphs.colour else glyphs.markers[place % len(glyphs.markers)]


def _marks(
    cells: Cells,
    frame: Frame,
    item: Series,
    view: View,
    y_range: tuple[float, float],
    mark: str,
    beside: float,
) -> None:
    """A few marks on a curve, `beside` (a share of their distance) those of the other curves."""
    for column in ((np.arange(MARKS) + beside) / MARKS * frame.columns).astype(int).tolist():
        x = view.low + (view.high - view.low) * column / max(1, frame.columns - 1)
        value = value_at(item, x, view.smooth) if len(item.x) and x <= item.x[-1] else None
        level = math.nan if value is None else value if item.right else float(_scale(np.array([value]), view)[0])
        if math.isfinite(level):
            share = (level - y_range[0]) / (y_range[1] - y_range[0])
            cells.write(frame.row(share), frame.left + column, mark, item.ink)


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
    wide = column + sum(cell_len(item.name) + len(text) + 5 for item, text in zip(series, texts, strict=True)) - 2
    full = wide <= cells.width
    for place, (item, value, text) in enumerate(zip(series, values, texts, strict=True)):
        mark = _mark(place, glyphs)
        lead = f"{mark} " if mark else ""
        more = "" if full or place + 1 == len(series) else f" +{len(series) - place - 1}"
        if column and column + len(lead) + cell_len(item.name) + len(text) + 1 + len(more) > cells.width:
            cells.write(0, column, f"+{len(series) - place}", MUTED)  # never fewer without a word
            break
        if full:
            column = cells.write(0, column, (mark or glyphs.line) + " ", item.ink)
        # Where the samples of the lines do not fit, the names take their colours, or marks.
        name = item.name if full else lead + item.name
        column = cells.write(0, column, name + " ", MUTED if full else item.ink)
        broken = value is not None and not math.isfinite(value)
        column = cells.write(0, column, text, ALERT if broken else TEXT) + (2 if full else 1)
