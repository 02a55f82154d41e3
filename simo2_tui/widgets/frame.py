"""The frame of a chart: its axes with their labels, and the grid behind the curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simo2_tui.widgets import axis
from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.palette import FAINT, MUTED, Glyphs

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """Where the curves are: `columns` × `rows` cells, the first of them at column `left` of row 1."""

    left: int
    columns: int
    rows: int

    def row(self, share: float) -> int:
        """The row of a value that lies `share` of the way up its axis."""
        return 1 + round((1 - min(max(share, 0.0), 1.0)) * (self.rows - 1))


def _places(values: Array, y_range: tuple[float, float], frame: Frame) -> dict[int, float]:
    """Row and value of each label: both ends of the axis first, then the ticks that do not crowd them."""
    low, high = y_range
    placed: dict[int, float] = {}
    for value in (high, low, *values.tolist()):
        row = frame.row((value - low) / (high - low))
        if all(abs(row - other) > 1 for other in placed):
            placed[row] = value
    return placed


def draw_grid(cells: Cells, frame: Frame, log_y: bool, y_range: tuple[float, float], glyphs: Glyphs) -> None:
    """The value axis at the left, exponents of ten when `log_y`, and a faint line at each of its labels."""
    most = max(2, frame.rows // 3)
    placed = _places((axis.log_ticks if log_y else axis.ticks)(*y_range, most), y_range, frame)
    values = np.array([placed[row] for row in sorted(placed)])
    labels = [axis.short(10.0**value) for value in values.tolist()] if log_y else axis.tick_labels(values)
    for row, label in zip(sorted(placed), labels, strict=True):
        cells.write(row, frame.left, glyphs.grid * frame.columns, FAINT)
        if frame.left:
            cells.write(row, 0, f"{label:>{frame.left - 1}}", MUTED)


def draw_right_axis(cells: Cells, frame: Frame, y_range: tuple[float, float], ink: int) -> None:
    """The axis of another quantity, at the right."""
    placed = _places(axis.ticks(*y_range, max(1, frame.rows // 5)), y_range, frame)
    for row, value in placed.items():
        cells.write(row, frame.left + frame.columns + 1, axis.short(value), ink)


def draw_step_axis(cells: Cells, frame: Frame, low: float, high: float) -> None:
    """The steps, below the curves."""
    values = axis.ticks(low, high, max(1, frame.columns // 10))
    taken = -1
    for value in values.tolist():
        label = axis.short(value) if high >= 1e5 and value >= 1e4 else f"{value:.0f}"
        share = (value - low) / max(high - low, 1e-300)
        start = frame.left + round(share * (frame.columns - 1)) - len(label) // 2
        start = min(max(start, frame.left), cells.width - len(label))
        if start > taken:
            taken = cells.write(cells.height - 1, start, label, MUTED)
