"""The curve chart as a widget: keys change its window of steps and how values are shown; it remembers the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.curve import Flag, Series, View, render_curves
from simo2_tui.widgets.view import CellsView
from simo2_tui.widgets.window import Window

SMOOTHING = (1, 3, 10, 30, 100, 300, 1000)
"""Steps averaged, from one press of `+` to the next."""


class CurveChart(CellsView, can_focus=True):
    """Curves over all steps ever taken. `show` gives it new data; keys change the view."""

    SECTION = "chart"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "toggle_log", "log", tooltip="log axis"),
        Binding("plus,equals_sign", "smooth(1)", "smoother", key_display="+", show=False),
        Binding("minus", "smooth(-1)", "rougher", key_display="-", show=False),
        Binding("left", "move(-1)", "cursor left", show=False),
        Binding("right", "move(1)", "cursor right", show=False),
        Binding("shift+left", "move(-10)", "cursor far left", show=False),
        Binding("shift+right", "move(10)", "cursor far right", show=False),
        Binding("z", "zoom(0.5)", "zoom in", show=False),
        Binding("Z", "zoom(2)", "zoom out", show=False),
        Binding("f", "follow", "follow", show=False),
        Binding("a", "toggle_all", "all values, or the usual ones", show=False),
    ]

    def __init__(
        self,
        *,
        id: str | None = None,
        classes: str | None = None,
        log_y: bool = False,
        y_range: tuple[float, float] | None = None,
        empty: str = "no steps yet",
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._series: Sequence[Series] = ()
        self._flags: Sequence[Flag] = ()
        self._window = Window()
        self._view = View(log_y=log_y, y_range=y_range)
        self._empty = empty

    @property
    def view(self) -> View:
        """What is shown now."""
        low, high = self._window.ends
        return replace(self._view, low=low, high=high, cursor=self._window.cursor)

    def show(self, series: Sequence[Series], *, newest: float, limit: float | None, flags: Sequence[Flag] = ()) -> None:
        """Takes new data: `newest` is the last step taken, `limit` the step at which the run ends, where known."""
        self._series, self._flags = series, flags
        self._window.newest, self._window.limit = newest, limit
        self.redraw()

    def say_when_empty(self, words: str) -> None:
        """What stands where the curves would be, while there are none."""
        if words != self._empty:
            self._empty = words
            self.redraw()

    def point_at(self, step: float | None) -> None:
        """Puts the cursor at a step, or takes it away."""
        if step != self._window.cursor:
            self._window.cursor = step
            self.redraw()

    def draw(self, width: int, height: int) -> Cells:
        return render_curves(
            self._series, self.view, width, height, flags=self._flags, glyphs=self.glyphs, empty=self._empty
        )

    def log_axis(self, log_y: bool) -> None:
        """Measures the values on a logarithmic axis, or a linear one."""
        self._change(log_y=log_y)

    def action_toggle_log(self) -> None:
        self._change(log_y=not self._view.log_y)

    def action_toggle_all(self) -> None:
        self._change(all_values=not self._view.all_values)

    def action_smooth(self, by: int) -> None:
        at = SMOOTHING.index(self._view.smooth) + by
        self._change(smooth=SMOOTHING[min(max(at, 0), len(SMOOTHING) - 1)])

    def action_move(self, by: int) -> None:
        self._window.move(by, self.size.width)
        self._changed()

    def action_zoom(self, factor: float) -> None:
        self._window.zoom(factor)
        self._changed()

    def action_follow(self) -> None:
        """Shows all steps and follows the newest."""
        self._window.follow()
        self._changed()

    def _change(self, **changes: object) -> None:
        self._view = replace(self._view, **changes)  # type: ignore[arg-type]
        self._changed()

    def _changed(self) -> None:
        words = (*self._view.describe(), self._window.describe())
        self.border_subtitle = Content(" · ".join(filter(None, words)))
        self.redraw()
