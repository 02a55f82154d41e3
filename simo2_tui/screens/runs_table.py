"""What the list of runs says of each: its columns, which of them have room, and in what order the runs stand."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from rich.cells import cell_len
from rich.text import Text

from simo2_core.run.state import State
from simo2_core.run.summary import RunSummary, told_steps
from simo2_tui.widgets.palette import ALERT, UNICODE, Glyphs
from simo2_tui.widgets.text import ago, state_style

_LAST = float("inf")

SORTS: dict[str, Callable[[RunSummary], Any]] = {
    "age": lambda summary: 0,  # as they come: the newest first
    "name": lambda summary: summary.run.name,
    "state": lambda summary: list(State).index(summary.state),
    "kNN": lambda summary: -summary.best_knn if summary.best_knn is not None else _LAST,
    "loss": lambda summary: summary.loss if summary.loss is not None and summary.loss == summary.loss else _LAST,
}
"""What the runs are sorted by, from one press of `o` to the next."""

SPARK = 12
"""Columns of a sparkline."""

ORDER = ("", "run", "state", "step", "kNN", "over time", "said", "data", "objective")
"""The columns, from left to right; the first has the marks."""

WANTED = ("", "run", "state", "kNN", "step", "over time", "said", "objective", "data")
"""The same, those first that have room first."""

PADDING, BORDERS = 2, 3
"""Columns beside each column's text, and beside the table's."""


def columns_for(rows: Sequence[dict[str, Text]], width: int) -> tuple[str, ...]:
    """The columns that fit beside each other in `width` columns, so that no name is cut while others can go."""
    room = width - BORDERS
    found: list[str] = []
    for column in WANTED:
        needed = max((row[column].cell_len for row in rows), default=0)
        room -= max(needed, cell_len(column)) + PADDING
        if room < 0 and len(found) > 1:  # mark and name there are always
            break
        found.append(column)
    return tuple(column for column in ORDER if column in found)


def work_of(summary: RunSummary) -> tuple[str, str]:
    """Data set and objective of a run, as far as its settings can be read."""
    config = summary.config
    if config is None:
        return ("?", "?")
    tuned = ", fine-tuned" if config.tune.init is not None else ""
    return (config.data.dataset.rsplit("/", 1)[-1], config.objective.name + tuned)


def words_of(summary: RunSummary) -> str:
    return " ".join((summary.run.name, summary.state, *work_of(summary))).lower()


def row_of(summary: RunSummary, scale: tuple[float, float], glyphs: Glyphs, table: Sequence[str]) -> dict[str, Text]:
    """The cells of a run by column, all but its mark."""
    knn, below = summary.best_knn, summary.below_raw_pixels
    told = "-" if knn is None else f"{knn:.1%}{'*' if summary.test_knn is not None else ''}{'!' if below else ''}"
    data, objective = work_of(summary)
    return {
        "run": Text(summary.run.name),
        "state": Text(summary.state, state_style(summary.state, table)),
        "step": Text(told_steps(summary.step, summary.steps) or "-"),
        "kNN": Text(told, table[ALERT] if below else ""),
        "over time": Text(sparkline(summary.knn, SPARK, glyphs, scale)),
        "said": Text(ago(max(0.0, time.time() - summary.time)) if summary.time else "-"),
        "data": Text(data),
        "objective": Text(objective),
    }


def sparkline(
    values: Sequence[float], width: int, glyphs: Glyphs = UNICODE, scale: tuple[float, float] | None = None
) -> str:
    """All values in at most `width` bars.

    Args:
        scale: the values of the lowest and of the full bar, the same for all runs so that they can be compared; by
            default the least and the most of these. Where the two are one, a bar is half way up.
    """
    if not len(values):
        return ""
    bars = glyphs.bars
    shown = [float(part[-1]) for part in np.array_split(np.asarray(values), min(width, len(values)))]
    low, high = scale or (min(shown), max(shown))
    if high <= low:
        return bars[len(bars) // 2] * len(shown)
    return "".join(bars[1 + round((value - low) / (high - low) * (len(bars) - 2))] for value in shown)
