"""The charts of the monitor: one entry of `PANES` each, and nothing else in the house knows their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simo2_tui.screens import readings
from simo2_tui.session.base import Session
from simo2_tui.session.history import History
from simo2_tui.widgets.curve import Flag, Series

Unit = str
"""One of `readings.UNITS`."""


@dataclass(frozen=True)
class Pane:
    """A chart: where it stands, what it draws, and how."""

    name: str
    """Of its widget."""
    title: str
    curves: Callable[[Session, Unit], Sequence[Series]]
    """The curves, the most telling first: it is drawn on top."""
    main: bool = False
    """Stands at the left, where there are three columns; the others share the middle."""
    flags: Callable[[History], Sequence[Flag]] = readings.flags
    log_y: bool = False
    empty: str = "no steps yet"
    """What it says before there is anything to draw."""
    units: bool = False
    """Whether it counts in the unit that `u` chooses."""

    def titled(self, number: int, unit: Unit) -> str:
        """Its title, behind the key that shows it."""
        return f"{number} {self.title}" + (f" {unit}" if self.units and unit != readings.UNITS[0] else "")


PANES = (
    Pane(
        "loss",
        "loss",
        lambda session, unit: readings.loss_series(session.history, unit, session.config.objective),
        main=True,
        units=True,
    ),
    Pane(
        "accuracy",
        "validation kNN and rank",
        lambda session, unit: readings.accuracy_series(session.history),
        empty="no evaluation yet",
    ),
    Pane("gradient", "gradient", lambda session, unit: readings.gradient_series(session.history), log_y=True),
    Pane(
        "speed",
        "throughput",
        lambda session, unit: readings.speed_series(session.history),
        flags=readings.speed_flags,
    ),
)
"""In the order of their keys, from 1; the embedding follows them."""
