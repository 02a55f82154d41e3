"""Scatter, legend, heat map and histogram as widgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message

from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.heatmap import render_heatmap, render_histogram, similarity_order
from simo2_tui.widgets.scatter import legend_rows, render_legend, render_scatter, step_to
from simo2_tui.widgets.view import CellsView

VALUED_CLASSES = 20
"""Up to so many classes each value is worth a row of its own, in which it can be read."""

NAMES_FROM = 20
"""Rows from which on class names are written over the points: in less they would hide the points."""


class ScatterPlot(CellsView, can_focus=True):
    """Points of the embedding in two dimensions."""

    SECTION = "scatter"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "class(1)", "next class", show=False),
        Binding("p", "class(-1)", "previous class", show=False),
        Binding("i", "isolate", "isolate", show=False),
        Binding("b", "toggle_dots", "markers or dots", show=False),
        Binding("left", "pick(-1,0)", "pick", tooltip="pick a point", key_display="← → ↑ ↓"),
        Binding("right", "pick(1,0)", "pick a point", show=False),
        Binding("up", "pick(0,1)", "pick a point", show=False),
        Binding("down", "pick(0,-1)", "pick a point", show=False),
    ]

    class Picked(Message):
        """Another point is framed, or none is (None)."""

        def __init__(self, index: int | None) -> None:
            super().__init__()
            self.index = index

    class Isolated(Message):
        """Another class is shown alone, or all are again (None)."""

        def __init__(self, class_names: Sequence[str], label: int | None) -> None:
            super().__init__()
            self.class_names, self.label = class_names, label

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._points_n2: NDArray[np.float64] = np.zeros((0, 2))
        self._labels_n: NDArray[np.int32] = np.zeros(0, np.int32)
        self._names: Sequence[str] = ()
        self._class = 0
        self._isolated = False
        self._dots = False
        self._picked: int | None = None

    @property
    def picked(self) -> int | None:
        """The row of the point that is framed, or None."""
        return self._picked if self._picked is not None and self._picked < len(self._labels_n) else None

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
            selected=self.picked,
            glyphs=self.glyphs,
        )

    def action_class(self, by: int) -> None:
        """Isolates the class last chosen, then the next or previous ones."""
        if self._names:
            self._class = (self._class + by) % len(self._names) if self._isolated else self._class
            self._isolate(True)

    def action_isolate(self) -> None:
        """Shows the chosen class alone, or all."""
        self._isolate(bool(self._names) and not self._isolated)

    def _isolate(self, isolated: bool) -> None:
        self._isolated = isolated
        self.redraw()
        self.post_message(self.Isolated(self._names, self.isolated))

    def action_pick(self, right: int, up: int) -> None:
        """Frames the next point in a direction, of the isolated class where one is."""
        among = None if self.isolated is None else self._labels_n == self.isolated
        self.pick(step_to(self._points_n2, self.picked, right, up, *self.size, among=among))

    def pick(self, index: int | None) -> None:
        """Frames a point, or none."""
        if index != self._picked:
            self._picked = index
            self.redraw()
            self.post_message(self.Picked(index))

    def action_toggle_dots(self) -> None:
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
        other = len(class_names) != len(self._names)
        self._names, self._isolated = class_names, isolated
        if other:
            self.refresh(layout=True)
        self.redraw()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return legend_rows(self._names, width, self.glyphs)

    def draw(self, width: int, height: int) -> Cells:
        return render_legend(self._names, width, height, isolate=self._isolated, glyphs=self.glyphs)


class HeatMap(CellsView, can_focus=True):
    """Signed cosines of the class means."""

    SECTION = "heat map"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(0,-1)", "left", show=False),
        Binding("right", "move(0,1)", "right", show=False),
        Binding("up", "move(-1,0)", "up", show=False),
        Binding("down", "move(1,0)", "down", show=False),
        Binding("o", "order", "sort", show=False),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._matrix_cc: NDArray[np.float64] = np.zeros((0, 0))
        self._names: Sequence[str] = ()
        self._order: NDArray[np.int64] = np.zeros(0, np.int64)
        self._sorted = True
        self._at: tuple[int, int] | None = None

    def show(self, matrix_cc: NDArray[np.float64], class_names: Sequence[str]) -> None:
        """Takes a new matrix (C, C) of signed cosines."""
        other = len(matrix_cc) != len(self._matrix_cc)
        if other:
            self._at = None
        self._matrix_cc, self._names = matrix_cc, class_names
        if other:  # the order of the first one stays: a matrix that moves its rows at each evaluation cannot be read
            self._arrange()
            self.refresh(layout=True)
        self.redraw()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        classes = len(self._matrix_cc)
        shared = self.glyphs.halves and classes > VALUED_CLASSES
        rows = -(-classes // 2) if shared else classes  # two of many classes share a row
        return max(6, rows + 2)  # the words above and the names below

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
        """In class order, or sorted anew by likeness as it is now."""
        self._sorted = not self._sorted
        self._arrange()
        self.redraw()


class CosineHistogram(CellsView, can_focus=True):
    """Signed cosines of same-class and of different-class pairs."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._groups: list[tuple[str, NDArray[np.int64], float, int]] = []

    def show(self, same: NDArray[np.int64], different: NDArray[np.int64], means: tuple[float, float]) -> None:
        """Takes the counts of pairs in equal bins over [-1, 1], and the mean cosine of each kind."""
        self._groups = [("same class", same, means[0], 2), ("different class", different, means[1], 6)]
        self.redraw()

    def draw(self, width: int, height: int) -> Cells:
        return render_histogram(self._groups, width, height, glyphs=self.glyphs)
