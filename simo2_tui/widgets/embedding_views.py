"""Scatter, legend, heat map and histogram as widgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from textual.binding import Binding, BindingType

from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.heatmap import render_heatmap, render_histogram, similarity_order
from simo2_tui.widgets.scatter import render_legend, render_scatter
from simo2_tui.widgets.view import CellsView

NAMES_FROM = 20
"""Rows from which on class names are written over the points: in less they would hide the points."""


class ScatterPlot(CellsView, can_focus=True):
    """Points of the embedding in two dimensions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "class(1)", "next class", show=False),
        Binding("p", "class(-1)", "previous class", show=False),
        Binding("i", "isolate", "isolate", show=False),
        Binding("b", "dots", "markers or dots", show=False),
    ]
    HELP = "n p class · i isolate it · b markers or braille dots"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._points_n2: NDArray[np.float64] = np.zeros((0, 2))
        self._labels_n: NDArray[np.int32] = np.zeros(0, np.int32)
        self._names: Sequence[str] = ()
        self._class = 0
        self._isolated = False
        self._dots = False

    @property
    def isolated(self) -> int | None:
        """The class shown alone, or None."""
        return self._class if self._isolated else None

    def show(self, points_n2: NDArray[np.float64], labels_n: NDArray[np.int32], class_names: Sequence[str]) -> None:
        """Takes new points (N, 2) around the origin."""
        self._points_n2, self._labels_n, self._names = points_n2, labels_n, class_names
        self.redraw()

    def draw(self, width: int, height: int) -> Cells:
        return render_scatter(
            self._points_n2,
            self._labels_n,
            self._names,
            width,
            height,
            isolate=self.isolated,
            dots=self._dots,
            names=height >= NAMES_FROM,
            glyphs=self.glyphs,
        )

    def action_class(self, by: int) -> None:
        if self._names:
            self._class = (self._class + by) % len(self._names) if self._isolated else self._class
            self._isolated = True
            self.redraw()

    def action_isolate(self) -> None:
        self._isolated = bool(self._names) and not self._isolated
        self.redraw()

    def action_dots(self) -> None:
        self._dots = not self._dots
        self.redraw()


class ClassLegend(CellsView):
    """Marker and name of each class."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._names: Sequence[str] = ()
        self._isolated: int | None = None

    def show(self, class_names: Sequence[str], isolated: int | None = None) -> None:
        """Takes the names, and which class is shown alone."""
        self._names, self._isolated = class_names, isolated
        self.redraw()

    def draw(self, width: int, height: int) -> Cells:
        return render_legend(self._names, width, height, isolate=self._isolated, glyphs=self.glyphs)


class HeatMap(CellsView, can_focus=True):
    """Signed cosines of the class means."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(0,-1)", "left", show=False),
        Binding("right", "move(0,1)", "right", show=False),
        Binding("up", "move(-1,0)", "up", show=False),
        Binding("down", "move(1,0)", "down", show=False),
        Binding("o", "order", "sort", show=False),
    ]
    HELP = "← → ↑ ↓ value of a pair · o sorted by likeness, or in class order"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._matrix_cc: NDArray[np.float64] = np.zeros((0, 0))
        self._names: Sequence[str] = ()
        self._order: NDArray[np.int64] = np.zeros(0, np.int64)
        self._sorted = True
        self._at: tuple[int, int] | None = None

    def show(self, matrix_cc: NDArray[np.float64], class_names: Sequence[str]) -> None:
        """Takes a new matrix (C, C) of signed cosines."""
        if len(matrix_cc) != len(self._matrix_cc):
            self._at = None
        self._matrix_cc, self._names = matrix_cc, class_names
        self._arrange()
        self.redraw()

    def _arrange(self) -> None:
        self._order = similarity_order(self._matrix_cc) if self._sorted else np.arange(len(self._matrix_cc))

    def draw(self, width: int, height: int) -> Cells:
        return render_heatmap(
            self._matrix_cc, self._names, width, height, order=self._order, cursor=self._at, glyphs=self.glyphs
        )

    def action_move(self, down: int, right: int) -> None:
        size = len(self._matrix_cc)
        if size:
            row, column = self._at or (0, 0)
            self._at = ((row + down) % size, (column + right) % size)
            self.redraw()

    def action_order(self) -> None:
        self._sorted = not self._sorted
        self._arrange()
        self.redraw()


class CosineHistogram(CellsView):
    """Signed cosines of same-class and of different-class pairs."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._same: NDArray[np.float64] = np.zeros(0)
        self._different: NDArray[np.float64] = np.zeros(0)

    def show(self, same: NDArray[np.float64], different: NDArray[np.float64]) -> None:
        """Takes the cosines of the pairs."""
        self._same, self._different = same, different
        self.redraw()

    def draw(self, width: int, height: int) -> Cells:
        groups = [("same class", self._same, 2), ("different class", self._different, 6)]
        return render_histogram(groups if len(self._same) else [], width, height, glyphs=self.glyphs)
