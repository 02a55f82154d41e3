"""Which steps of a run a chart shows, and which of them the cursor is at: arithmetic, without drawing."""

from __future__ import annotations

from simo2_tui.widgets import axis

SHORTEST = 10.0
"""Fewest steps that a zoom shows."""


class Window:
    """All steps at first; after a zoom the newest of them, or those around the cursor."""

    def __init__(self) -> None:
        self.newest = 0.0
        """The last step taken."""
        self.limit: float | None = None
        """The step at which the run ends, where known."""
        self.cursor: float | None = None
        self._span: float | None = None
        """Steps shown; None for all."""
        self._centre: float | None = None
        """The step in the middle; None while the window follows the newest."""

    @property
    def ends(self) -> tuple[float, float]:
        """The first and the last step on the axis."""
        if self._span is None:
            return 0.0, axis.jump(self.newest, self.limit)
        if self._centre is not None:
            low = max(0.0, self._centre - self._span / 2)
        else:
            # While following, it moves on in eighths of its width: each move redraws the whole chart.
            jump = self._span / 8
            low = max(0.0, -(-(max(self.newest, self._span) - self._span) // jump) * jump)
        return low, low + self._span

    def follow(self) -> None:
        """Shows all steps and follows the newest."""
        self.cursor = self._span = self._centre = None

    def move(self, by: int, columns: int) -> None:
        """Moves the cursor by columns of a chart that has so many; what is shown moves with it."""
        low, high = self.ends
        column = max((high - low) / max(1, columns), 1.0)
        at = self.cursor if self.cursor is not None else min(self.newest, high)
        self.cursor = float(min(max(round(at + by * column), 1), max(self.newest, 1)))
        if self._span is not None and not low <= self.cursor <= high:
            self._centre = self.cursor

    def zoom(self, factor: float) -> None:
        """Shows `factor` times as many steps, around the cursor where there is one."""
        low, high = self.ends
        span = (high - low) * factor
        if span >= axis.jump(self.newest, self.limit):
            self._span = self._centre = None
        else:
            self._span = max(span, SHORTEST)
            self._centre = self.cursor if self.cursor is not None else self._centre

    def describe(self) -> str:
        """What is shown, in a word or two; nothing for all steps."""
        if self._span is None:
            return ""
        return "zoom" if self._centre is not None else "zoom, following"
