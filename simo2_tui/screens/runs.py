"""Every run under the run directory: state, result, differences, curves on top of each other. It is live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import DataTable, Input, Static

from simo2_core.errors import Simo2Error
from simo2_core.run.difference import settings_apart
from simo2_core.run.directory import RunDirectory
from simo2_core.run.summary import RunSummary
from simo2_core.short_names import shorten
from simo2_tui.screens.base import ConsoleScreen, Line
from simo2_tui.screens.host import host_of
from simo2_tui.screens.runs_table import SORTS, columns_for, row_of, words_of, work_of
from simo2_tui.session.follow import FollowSession
from simo2_tui.session.history import History, column_of
from simo2_tui.session.shelf import Shelf
from simo2_tui.widgets.charts import CurveChart
from simo2_tui.widgets.curve import Series
from simo2_tui.widgets.keybar import KeyBar
from simo2_tui.widgets.palette import ALERT
from simo2_tui.widgets.view import glyphs_of, table_of

INKS = (0, 1, 2, 3, 6)
"""Of the marked runs and their curves, in the order of marking: so many are compared at once."""

METRICS = ("total loss", "validation kNN, %", "effective rank")
"""What the overlay shows, from one press of `u` to the next."""

LONGEST_NAME, SHORTEST_NAME = 18, 3
"""Columns of a run's name above the curves."""

VALUE = 7
"""Columns of the value behind it, and the blanks."""

LONGEST = 10.0
"""Seconds of reading after which a part of a curve is drawn."""


class RunTable(DataTable[Text]):
    """The runs to choose from."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "open")]


class RunsScreen(ConsoleScreen):
    """A table of runs; marked ones are compared."""

    SECTION = "runs"
    FOCUS_FIRST = "#runs"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark"),
        Binding("o", "sort", "sort", tooltip="sort by age, name, state, kNN or loss"),
        Binding("u", "metric", "metric", tooltip="compare loss, kNN or rank"),
        Binding("slash", "filter", "filter"),
        Binding("r", "resume", "resume"),
        Binding("escape", "back", "back", show=False),
    ]

    def __init__(self, run_dir: object) -> None:
        super().__init__()
        self._found: list[RunSummary] = []
        self._summaries: list[RunSummary] = []
        """Those that the filter leaves, in order."""
        self._marked: dict[str, FollowSession] = {}
        """Marked runs, each with what its log says as it grows."""
        self._shelf: Shelf | None = None
        self._metric = 0
        self._sort = 0
        self._columns: tuple[str, ...] = ()
        self._rows: dict[str, tuple[Text, ...]] = {}
        """What the table has, by name of the run."""
        self._compared: tuple[Any, ...] = ()
        self._wanted = ""

    def compose(self) -> ComposeResult:
        yield Static(id="heading", markup=False)
        yield RunTable(id="runs", cursor_type="row", zebra_stripes=False, classes="pane")
        with Horizontal(id="compare"):
            yield CurveChart(id="overlay", classes="pane", empty="mark runs with space to compare them", log_y=True)
            yield Static(id="difference", classes="pane", markup=False)
        yield Line(
            id="filter",
            placeholder="part of a name, state, data set or objective; Enter keeps, Esc clears",
            compact=True,
        )
        yield KeyBar()

    def begin(self) -> None:
        self._shelf = Shelf(host_of(self).run_dir)
        self.query_one("#difference").border_title = Content("settings that differ")
        self._take(self._shelf.look())
        self._compare()
        self._tell_difference()
        self.query_one(DataTable).focus()

    def resized(self, event: events.Resize) -> None:
        self._fill()
        self._compared = ()
        self.call_after_refresh(self.poll)

    @property
    def idle_actions(self) -> frozenset[str]:
        if self._found:
            return frozenset({"resume"} if host_of(self).opener.read_only else ())
        return frozenset({"select_cursor", "mark", "sort", "metric", "filter", "resume"})

    def on_unmount(self) -> None:
        for session in self._marked.values():
            session.close()

    def draw_new(self) -> None:
        if self._shelf is not None and self._shelf.due():
            self._look(self._shelf)
        self._compare()

    @work(thread=True)
    def _look(self, shelf: Shelf) -> None:
        """Looks at the runs beside the screen's thread: a network disk may take its time."""
        self.app.call_from_thread(self.if_ready, self._take, shelf.look())

    def _take(self, found: list[RunSummary]) -> None:
        self._found = found
        self.query_one("#heading", Static).update(
            Text.assemble((" runs ", "bold reverse"), f"  {len(found)} under {host_of(self).run_dir}", no_wrap=True)
        )
        chart = self.query_one("#overlay", CurveChart)
        chart.say_when_empty(
            "mark runs with space to compare them" if found else "no run yet: Esc, then Enter on a preset starts one"
        )
        self.refresh_bindings()
        self._fill()

    def _fill(self) -> None:
        """Brings the table up to date: single cells where the same runs stand in the same order, else all of it."""
        table = self.query_one(DataTable)
        chosen = self._current()
        by = list(SORTS)[self._sort]
        shown = [summary for summary in self._found if self._wanted in words_of(summary)]
        self._summaries = sorted(shown, key=SORTS[by])
        rows = {summary.run.name: cells for summary, cells in zip(self._summaries, self._cells(), strict=True)}
        columns = columns_for(list(rows.values()), self.size.width)
        shown_cells = {name: tuple(cells[column] for column in columns) for name, cells in rows.items()}
        if columns == self._columns and list(shown_cells) == list(self._rows):
            for name, cells in shown_cells.items():
                for column, cell, older in zip(columns, cells, self._rows[name], strict=True):
                    if cell != older:
                        table.update_cell(name, column, cell, update_width=True)
        else:
            table.clear(columns=True)
            for column in columns:
                table.add_column(column, key=column)
            for name, cells in shown_cells.items():
                table.add_row(*cells, key=name)
            if chosen is not None and chosen.run.name in shown_cells:
                table.move_cursor(row=list(shown_cells).index(chosen.run.name))
        self._columns, self._rows = columns, shown_cells
        title = f"runs with {self._wanted}" if self._wanted else "runs"
        table.border_title = Content(title + (f", by {by}" if self._sort else ""))
        table.border_subtitle = Content(self._key())

    def _cells(self) -> list[dict[str, Text]]:
        values = [value for summary in self._summaries for value in summary.knn]
        scale = (min(values), max(values)) if values else (0.0, 1.0)
        glyphs = glyphs_of(self.app)
        colours, marked = table_of(self.app), list(self._marked)
        found = []
        for summary in self._summaries:
            mark = Text(" ")
            if summary.run.name in marked:
                at = marked.index(summary.run.name)
                mark = Text(glyphs.markers[at], f"bold {colours[INKS[at]]}")
            found.append({"": mark, **row_of(summary, scale, glyphs, colours)})
        return found

    def _key(self) -> str:
        """What the signs in the column of kNN mean, as far as they are there, and the scale of the sparklines."""
        words = ["* on test"] if any(summary.test_knn is not None for summary in self._summaries) else []
        words += ["! below raw pixels"] if any(summary.below_raw_pixels for summary in self._summaries) else []
        values = [value for summary in self._summaries for value in summary.knn]
        if values and "over time" in self._columns:
            words.append(f"over time {min(values):.0%} to {max(values):.0%}")
        return " · ".join(words)

    def _current(self) -> RunSummary | None:
        at = self.query_one(DataTable).cursor_row
        return self._summaries[at] if 0 <= at < len(self._summaries) else None

    def chosen_run(self) -> RunDirectory | None:
        """The run under the cursor."""
        summary = self._current()
        return None if summary is None else summary.run

    def action_sort(self) -> None:
        """Sorts the runs by another column."""
        self._sort = (self._sort + 1) % len(SORTS)
        self._fill()

    def action_mark(self) -> None:
        """Marks a run, or takes the mark away."""
        run = self.chosen_run()
        if run is None:
            return
        if run.name in self._marked:
            self._marked.pop(run.name).close()
        elif len(self._marked) == len(INKS):
            self.notify(f"At most {len(INKS)} runs are compared at once.", severity="warning")
            return
        else:
            try:
                session = FollowSession(run, read_only=True)
            except Simo2Error as error:
                self.notify(str(error), severity="error", timeout=10)
                return
            session.start()
            self._marked[run.name] = session
            self._wait_for(session)
        self._fill()
        self._compare()
        self._tell_difference()

    @work(thread=True)
    def _wait_for(self, session: FollowSession) -> None:
        """Draws a curve when its log has been read: the next look of the screen may be seconds away."""
        session.wait_until_read(LONGEST)
        self.app.call_from_thread(self.if_ready, self._compare)

    def action_metric(self) -> None:
        """Compares another number."""
        self._metric = (self._metric + 1) % len(METRICS)
        self.query_one("#overlay", CurveChart).log_axis(not self._metric)
        self._compare()

    def _compare(self) -> None:
        """Draws the curves of the marked runs, when one of them has grown or others are marked."""
        versions = [(name, session.history.version) for name, session in self._marked.items()]
        compared = (self._metric, *versions)
        if compared == self._compared:
            return
        self._compared = compared
        overlay = self.query_one("#overlay", CurveChart)
        names = short_names(list(self._marked), overlay.size.width, marks=not glyphs_of(self.app).colour)
        curves = [
            curve_of(session.history, self._metric, name, ink)
            for name, ink, session in zip(names, INKS, self._marked.values(), strict=False)
        ]
        newest = max((float(item.x[-1]) for item in curves if len(item.x)), default=0.0)
        overlay.show(curves, newest=newest, limit=None)
        marked = [summary for summary in self._found if summary.run.name in self._marked]
        unlike = not self._metric and len({work_of(summary)[1] for summary in marked}) > 1
        overlay.border_title = Content(
            METRICS[self._metric] + (" of different objectives: u shows kNN" if unlike else "")
        )

    def _tell_difference(self) -> None:
        marked = [summary.run for summary in self._found if summary.run.name in self._marked]
        self.query_one("#difference", Static).update(settings_difference(marked, table_of(self.app)[ALERT]))

    def action_filter(self) -> None:
        """Asks for a word that the runs shown must have."""
        self.add_class("-filter")
        self.query_one("#filter").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._wanted = event.value.strip().lower()
        self._fill()

    def on_line_left(self, event: Line.Left) -> None:
        self.action_back()

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
        run = self.chosen_run()
        if run is not None:
            host_of(self).opener.follow(run)

    def action_resume(self) -> None:
        """Continues the run here, from its newest checkpoint."""
        run = self.chosen_run()
        if run is not None:
            host_of(self).opener.resume(run)


def curve_of(history: History, metric: int, name: str, ink: int) -> Series:
    """One of `METRICS` over the steps of a run."""
    if not metric:
        x = history.steps.column("step")
        return Series(name, x, history.steps.column("total")[: len(x)], ink)
    looks = list(history.evaluations)
    column, factor, unit = (("knn_representation", 100, "%"), ("effective_rank", 1, ""))[metric - 1]
    return Series(name, column_of(looks, "step"), column_of(looks, column) * factor, ink, True, unit)


def short_names(names: Sequence[str], width: int, *, marks: bool = False) -> list[str]:
    """The names, cut so that all of them with values, and marks, fit beside each other in `width` columns."""
    room = width - (VALUE + 2 * marks) * len(names)
    for most in range(LONGEST_NAME, SHORTEST_NAME, -1):
        short = shorten(names, most, width=cell_len)
        if sum(map(cell_len, short)) <= room:
            return short
    return shorten(names, SHORTEST_NAME, width=cell_len)


def settings_difference(runs: Sequence[RunDirectory], alarm: str = "red") -> Text:
    """The settings in which the runs differ, one a block."""
    text = Text()
    if len(runs) < 2:
        return Text("mark two runs or more", "dim")
    try:
        apart = settings_apart([run.config for run in runs])
    except Simo2Error as error:
        return Text(str(error), alarm)
    for name, values in apart.items():
        text.append(f"{name}\n", "bold")
        longest = max(map(cell_len, values))
        for run, value in zip(runs, values, strict=True):
            text.append(f"  {set_cell_size(value, longest)}  ")
            text.append(f"{run.name}\n", "dim")
    return text if text.plain else Text("the same settings", "dim")
