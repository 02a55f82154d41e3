"""Every run under the run directory: state, result, differences, curves on top of each other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input, Static

from simo2_core.errors import Simo2Error
from simo2_core.events import Evaluated, StepsLogged
from simo2_core.run.difference import settings_apart
from simo2_core.run.directory import RunDirectory, list_runs
from simo2_core.run.summary import RunSummary, summarise
from simo2_tui.screens.host import host_of
from simo2_tui.screens.layout import size_class
from simo2_tui.session.history import column_of
from simo2_tui.widgets.charts import CurveChart
from simo2_tui.widgets.curve import Series
from simo2_tui.widgets.palette import ASCII, UNICODE
from simo2_tui.widgets.text import ago, state_style

MOST_MARKED = 5

METRICS = ("total loss", "validation kNN, %", "effective rank")
"""What the overlay shows, from one press of `u` to the next."""


def columns_of(width: int) -> tuple[str, ...]:
    """The columns of the table for a screen of `width` columns, the first of them for the marks."""
    if width < 60:
        return ("", "run", "kNN", "state")
    work = ("data", "objective") if width >= 110 else ()
    return ("", "state", "step", "kNN", "over time", "said", *work, "run")


class RunsScreen(Screen[None]):
    """A table of runs; marked ones are compared."""

    SECTION = "runs"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark"),
        Binding("enter", "watch", "watch"),
        Binding("u", "metric", "metric", tooltip="compare loss, kNN or rank"),
        Binding("slash", "filter", "filter"),
        Binding("r", "resume", "resume"),
        Binding("l", "reload", "reload", tooltip="read the runs again"),
        Binding("escape", "back", "back"),
    ]

    def __init__(self, run_dir: object) -> None:
        super().__init__()
        self._found: list[RunSummary] = []
        self._summaries: list[RunSummary] = []
        """Those that the filter leaves."""
        self._marked: list[str] = []
        self._curves: dict[str, tuple[Series, ...]] = {}
        """One for each of `METRICS`."""
        self._metric = 0
        self._columns: tuple[str, ...] = ()
        self._wanted = ""

    def compose(self) -> ComposeResult:
        yield Static(id="heading", markup=False)
        yield DataTable(id="runs", cursor_type="row", zebra_stripes=False, classes="pane")
        with Horizontal(id="compare"):
            yield CurveChart(id="overlay", classes="pane", empty="mark runs with space to compare them", log_y=True)
            yield Static(id="difference", classes="pane", markup=False)
        yield Input(
            id="filter",
            placeholder="part of a name, state, data set or objective; Enter keeps, Esc clears",
            compact=True,
        )
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        table.border_title = "runs"
        self.query_one("#difference").border_title = "settings that differ"
        self.action_reload()
        self._compare()
        table.focus()

    def on_resize(self, event: events.Resize) -> None:
        kind = size_class(event.size.width, event.size.height)
        for name in ("wide", "medium", "narrow", "tiny"):
            self.set_class(name == kind, f"-{name}")
        if self._columns and self._columns != columns_of(self.size.width):
            self._fill()

    def poll(self) -> None:
        """The table is read on demand (`l`): reading every log several times a second would cost the disk."""

    def action_reload(self) -> None:
        """Reads the runs again."""
        run_dir = host_of(self).run_dir
        self._found = [summarise(run) for run in list_runs(run_dir)]
        self.query_one("#heading", Static).update(
            Text.assemble((" runs ", "bold reverse"), f"  {len(self._found)} under {run_dir}", no_wrap=True)
        )
        self._fill()

    def _fill(self) -> None:
        table = self.query_one(DataTable)
        row = table.cursor_row
        columns = columns_of(self.size.width)
        table.clear(columns=columns != self._columns)
        if columns != self._columns:
            self._columns = columns
            table.add_columns(*columns)
        ascii_only = getattr(self.app, "ascii_only", False)
        self._summaries = [summary for summary in self._found if self._wanted in _words(summary)]
        table.border_title = Content(f"runs with {self._wanted}" if self._wanted else "runs")
        for summary in self._summaries:
            cells = _row(summary, summary.run.name in self._marked, ascii_only)
            table.add_row(*(cells[name] for name in columns), key=summary.run.name)
        if self._summaries:
            table.move_cursor(row=min(row, len(self._summaries) - 1))

    def _current(self) -> RunSummary | None:
        at = self.query_one(DataTable).cursor_row
        return self._summaries[at] if 0 <= at < len(self._summaries) else None

    def action_mark(self) -> None:
        """Marks a run, or takes the mark away; at most five at a time."""
        summary = self._current()
        if summary is None:
            return
        name = summary.run.name
        if name in self._marked:
            self._marked.remove(name)
        elif len(self._marked) == MOST_MARKED:
            self.notify(f"At most {MOST_MARKED} runs are compared at once.", severity="warning")
            return
        else:
            self._marked.append(name)
            if name not in self._curves:
                self._read_curve(summary.run)
        self._fill()
        self._compare()

    @work(thread=True)
    def _read_curve(self, run: RunDirectory) -> None:
        """Reads a whole log: a hundred thousand steps take a while, so not on the screen's thread."""
        logged: list[StepsLogged] = []
        looks: list[Evaluated] = []
        try:
            for event in run.events():
                if isinstance(event, StepsLogged):
                    logged.append(event)
                elif isinstance(event, Evaluated) and event.split == "validation":
                    looks.append(event)
        except Simo2Error as error:
            self.app.call_from_thread(self.notify, str(error), severity="error")
        total = np.concatenate([np.array(event.total) for event in logged]) if logged else np.zeros(0)
        steps = np.concatenate([np.arange(e.step, e.last_step + 1.0) for e in logged]) if logged else np.zeros(0)
        at, knn = column_of(looks, "step"), column_of(looks, "knn_representation") * 100
        self._curves[run.name] = (
            Series(run.name, steps, total, 0),
            Series(run.name, at, knn, 0, True, "%"),
            Series(run.name, at, column_of(looks, "effective_rank"), 0, True),
        )
        self.app.call_from_thread(self._compare)

    def action_metric(self) -> None:
        """Compares another number."""
        self._metric = (self._metric + 1) % len(METRICS)
        self.query_one("#overlay", CurveChart).log_axis(not self._metric)
        self._compare()

    def _compare(self) -> None:
        picked = [self._curves[name][self._metric] for name in self._marked if name in self._curves]
        overlay = self.query_one("#overlay", CurveChart)
        names = short_names([item.name for item in picked], overlay.size.width)
        series = [replace(item, name=names[i], ink=(0, 1, 2, 3, 6)[i]) for i, item in enumerate(picked)]
        newest = max((float(item.x[-1]) for item in series if len(item.x)), default=0.0)
        overlay.show(series, newest=newest, limit=None)
        marked = [summary for summary in self._found if summary.run.name in self._marked]
        unlike = not self._metric and len({_work(summary)[1] for summary in marked}) > 1
        overlay.border_title = Content(
            METRICS[self._metric] + (" of different objectives: u shows kNN" if unlike else "")
        )
        self.query_one("#difference", Static).update(settings_difference([summary.run for summary in marked]))

    def action_filter(self) -> None:
        """Asks for a word that the runs shown must have."""
        self.add_class("-filter")
        self.query_one("#filter").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._wanted = event.value.strip().lower()
        self._fill()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._close_filter()

    def _close_filter(self) -> None:
        self.remove_class("-filter")
        self.query_one(DataTable).focus()

    def action_back(self) -> None:
        """Takes the filter back; without one, leaves."""
        if self._wanted or self.has_class("-filter"):
            self.query_one("#filter", Input).value = ""
            self._close_filter()
        else:
            self.app.pop_screen()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        self.action_watch()

    def action_watch(self) -> None:
        """Opens the run: live when somebody trains it, otherwise as a replay."""
        summary = self._current()
        if summary is not None:
            host_of(self).follow(summary.run)

    def action_resume(self) -> None:
        """Continues the run here, from its newest checkpoint."""
        summary = self._current()
        if summary is not None:
            host_of(self).resume(summary.run)


def short_names(names: Sequence[str], width: int) -> list[str]:
    """The names, cut so that all of them with their values fit beside each other in `width` columns."""
    room = min(18, max(3, width // max(1, len(names)) - 7))
    heads = [name[:room] for name in names]
    # Names that the console makes begin alike and end in the time of day.
    return heads if len(set(heads)) == len(heads) else [name[-room:] for name in names]


def settings_difference(runs: Sequence[RunDirectory]) -> Text:
    """The settings in which the runs differ, one a block."""
    text = Text()
    if len(runs) < 2:
        return Text("mark two runs or more", "dim")
    try:
        apart = settings_apart([run.config for run in runs])
    except Simo2Error as error:
        return Text(str(error), "red")
    for name, values in apart.items():
        text.append(f"{name}\n", "bold")
        longest = max(map(len, values))
        for run, value in zip(runs, values, strict=True):
            text.append(f"  {value:<{longest}}  ")
            text.append(f"{run.name}\n", "dim")
    return text if text.plain else Text("the same settings", "dim")


def sparkline(values: Sequence[float], width: int, ascii_only: bool = False) -> str:
    """All values in at most `width` bars between their least and most; a constant is half way up."""
    if not len(values):
        return ""
    bars = (ASCII if ascii_only else UNICODE).bars
    shown = [float(part[-1]) for part in np.array_split(np.asarray(values), min(width, len(values)))]
    low, high = min(shown), max(shown)
    if high <= low:
        return bars[len(bars) // 2] * len(shown)
    return "".join(bars[1 + round((value - low) / (high - low) * (len(bars) - 2))] for value in shown)


def _work(summary: RunSummary) -> tuple[str, str]:
    """Data set and objective of a run, as far as its settings can be read."""
    config = summary.config
    if config is None:
        return ("?", "?")
    tuned = ", fine-tuned" if config.tune.init is not None else ""
    return (config.data.dataset.rsplit("/", 1)[-1], config.objective.name + tuned)


def _words(summary: RunSummary) -> str:
    return " ".join((summary.run.name, summary.state, *_work(summary))).lower()


def _row(summary: RunSummary, marked: bool, ascii_only: bool) -> dict[str, Text | str]:
    """The cells of a run by column."""
    knn = summary.best_knn
    data, objective = _work(summary)
    return {
        "": Text(("*" if ascii_only else "●") if marked else " ", "bold yellow"),
        "state": Text(summary.state, state_style(summary.state)),
        "step": f"{summary.step:,}/{summary.steps:,}" if summary.steps else "-",
        "kNN": "-" if knn is None else f"{knn:.1%}{' test' if summary.test_knn is not None else ''}",
        "over time": sparkline(summary.knn, 16, ascii_only),
        "said": ago(max(0.0, time.time() - summary.time)) if summary.time else "-",
        "data": Text(data),
        "objective": Text(objective),
        "run": Text(summary.run.name),
    }
