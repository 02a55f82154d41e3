"""Every run under the run directory: state, result, differences, curves on top of each other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Static

from simo2_core.errors import Simo2Error
from simo2_core.events import StepsLogged
from simo2_core.run.difference import settings_apart
from simo2_core.run.directory import RunDirectory, list_runs
from simo2_core.run.summary import RunSummary, summarise
from simo2_tui.screens.host import host_of
from simo2_tui.screens.layout import size_class
from simo2_tui.widgets.charts import CurveChart
from simo2_tui.widgets.curve import Series
from simo2_tui.widgets.palette import ASCII, UNICODE
from simo2_tui.widgets.text import ago

MOST_MARKED = 5


class RunsScreen(Screen[None]):
    """A table of runs; marked ones are compared."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark"),
        Binding("enter", "watch", "watch"),
        Binding("r", "resume", "resume"),
        Binding("l", "reload", "look again"),
        Binding("escape", "app.pop_screen", "back"),
    ]

    def __init__(self, run_dir: object) -> None:
        super().__init__()
        self._summaries: list[RunSummary] = []
        self._marked: list[str] = []
        self._curves: dict[str, Series] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="heading")
        yield DataTable(id="runs", cursor_type="row", zebra_stripes=False, classes="pane")
        with Horizontal(id="compare"):
            yield CurveChart(id="overlay", classes="pane", empty="mark runs with space to compare them", log_y=True)
            yield Static(id="difference", classes="pane")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        table.border_title = "runs"
        self.query_one("#overlay").border_title = "total loss"
        self.query_one("#difference").border_title = "settings that differ"
        table.add_columns("", "state", "step", "kNN", "over time", "said", "run")
        self.action_reload()
        table.focus()

    def on_resize(self, event: events.Resize) -> None:
        kind = size_class(event.size.width, event.size.height)
        for name in ("wide", "medium", "narrow", "tiny"):
            self.set_class(name == kind, f"-{name}")

    def poll(self) -> None:
        """The table is read on demand (`l`): reading every log several times a second would cost the disk."""

    def action_reload(self) -> None:
        """Reads the runs again."""
        run_dir = host_of(self).run_dir
        self._summaries = [summarise(run) for run in list_runs(run_dir)]
        self.query_one("#heading", Static).update(
            Text.assemble((" runs ", "bold reverse"), f"  {len(self._summaries)} under {run_dir}", no_wrap=True)
        )
        self._fill()

    def _fill(self) -> None:
        table = self.query_one(DataTable)
        row = table.cursor_row
        table.clear()
        ascii_only = getattr(self.app, "ascii_only", False)
        for summary in self._summaries:
            table.add_row(*_row(summary, summary.run.name in self._marked, ascii_only), key=summary.run.name)
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
        try:
            logged = [event for event in run.events() if isinstance(event, StepsLogged)]
        except Simo2Error as error:
            self.app.call_from_thread(self.notify, str(error), severity="error")
            logged = []
        total = np.concatenate([np.array(event.total) for event in logged]) if logged else np.zeros(0)
        steps = np.concatenate([np.arange(e.step, e.last_step + 1.0) for e in logged]) if logged else np.zeros(0)
        self._curves[run.name] = Series(run.name, steps, total, 0)
        self.app.call_from_thread(self._compare)

    def _compare(self) -> None:
        picked = [self._curves[name] for name in self._marked if name in self._curves]
        series = [Series(item.name[-18:], item.x, item.y, (0, 1, 2, 3, 6)[i]) for i, item in enumerate(picked)]
        newest = max((float(item.x[-1]) for item in series if len(item.x)), default=0.0)
        self.query_one("#overlay", CurveChart).show(series, newest=newest, limit=None)
        runs = [summary.run for summary in self._summaries if summary.run.name in self._marked]
        self.query_one("#difference", Static).update(settings_difference(runs))

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
        for run, value in zip(runs, values, strict=True):
            text.append(f"  {value:<12} ")
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


def _row(summary: RunSummary, marked: bool, ascii_only: bool) -> tuple[Text | str, ...]:
    tone = {"completed": "green", "running": "bold green", "diverged": "red", "failed": "red", "dead": "red"}
    knn = summary.test_knn if summary.test_knn is not None else max(summary.knn, default=None)
    words = {"dead": "dead owner", "empty": "never began"}
    mark = "*" if ascii_only else "●"
    return (
        Text(mark if marked else " ", "bold yellow"),
        Text(words.get(summary.state, summary.state), tone.get(summary.state, "yellow")),
        f"{summary.step:,}/{summary.steps:,}" if summary.steps else "-",
        "-" if knn is None else f"{knn:.1%}{' test' if summary.test_knn is not None else ''}",
        sparkline(summary.knn, 16, ascii_only),
        ago(max(0.0, time.time() - summary.time)) if summary.time else "-",
        summary.run.name,
    )
