"""The curve chart as a widget: it holds the view (zoom, cursor, smoothing, log axis) and remembers the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from simo2_tui.widgets import axis
from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.curve import Flag, Series, View, render_curves
from simo2_tui.widgets.view import CellsView

SMOOTHING = (1, 3, 10, 30, 100, 300, 1000)
"""Steps averaged, from one press of `+` to the next."""

SHORTEST = 10.0
"""Fewest steps that a zoom shows."""


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
        self._newest = 0.0
        self._limit: float | None = None
        self._span: float | None = None
        self._centre: float | None = None
        self._view = View(log_y=log_y, y_range=y_range)
        self._empty = empty

    @property
    def view(self) -> View:
        """What is shown now."""
        return self._view

    @property
    def cursor(self) -> float | None:
        """The step under the cursor, or None."""
        return self._view.cursor

    def show(self, series: Sequence[Series], *, newest: float, limit: float | None, flags: Sequence[Flag] = ()) -> None:
        """Takes new data: `newest` is the last step taken, `limit` the step at which the run ends, where known."""
        self._series, self._flags, self._newest, self._limit = series, flags, newest, limit
        self._place()
        self.redraw()

    def point_at(self, step: float | None) -> None:
        """Puts the cursor at a step, or takes it away."""
        if step != self._view.cursor:
            self._view = replace(self._view, cursor=step)
            self.redraw()

    def follow(self) -> None:
        """Shows all steps and follows the newest."""
        self._span = self._centre = None
        self._view = replace(self._view, cursor=None)
        self._place()
        self.redraw()

    def _place(self) -> None:
        if self._span is None:
            self._view = replace(self._view, low=0.0, high=axis.jump(self._newest, self._limit))
            return
        end = max(self._newest, self._span)
        # While following, the window moves on in eighths of its width: each move redraws the whole chart.
        centre = self._centre if self._centre is not None else end - self._span / 2
        low = max(0.0, centre - self._span / 2)
        if self._centre is None:
            jump = self._span / 8
            low = max(0.0, -(-(end - self._span) // jump) * jump)
        self._view = replace(self._view, low=low, high=low + self._span)

    def draw(self, width: int, height: int) -> Cells:
        return render_curves(
            self._series, self._view, width, height, flags=self._flags, glyphs=self.glyphs, empty=self._empty
        )

    def describe_view(self) -> str:
        """The settings of the view that are not the usual ones, in words."""
        view = self._view
        words = ["log"] if view.log_y else []
        words += ["all values"] if view.all_values else []
        words += [f"mean of {view.smooth}"] if view.smooth > 1 else []
        if self._span is not None:
            words.append("zoom" if self._centre is not None else "zoom, following")
        return " · ".join(words)

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
        view = self._view
        pixel = max((view.high - view.low) / max(1, self.size.width), 1.0)
        at = view.cursor if view.cursor is not None else min(self._newest, view.high)
        at = min(max(round(at + by * pixel), 1), max(self._newest, 1))
        if self._span is not None and not view.low <= at <= view.high:
            self._centre = float(at)
        self._view = replace(view, cursor=float(at))
        self._place()
        self._changed()

    def action_zoom(self, factor: float) -> None:
        view = self._view
        span = (view.high - view.low) * factor
        if span >= axis.jump(self._newest, self._limit):
            self._span = self._centre = None
        else:
            self._span = max(span, SHORTEST)
            self._centre = view.cursor if view.cursor is not None else self._centre
        self._place()
        self._changed()

    def action_follow(self) -> None:
        self.follow()
        self._changed()

    def _change(self, **changes: object) -> None:
        self._view = replace(self._view, **changes)  # type: ignore[arg-type]
        self._changed()

    def _changed(self) -> None:
        self.border_subtitle = Content(self.describe_view())
        self.redraw()
