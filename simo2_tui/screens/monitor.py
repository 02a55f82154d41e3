"""The monitor: watch one run, live, attached or replayed, and steer it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input

from simo2_core.commands import Command
from simo2_core.errors import Simo2Error
from simo2_core.run.state import State
from simo2_tui.screens import readings
from simo2_tui.screens.base import ConsoleScreen, Line
from simo2_tui.screens.clipboard import copy
from simo2_tui.screens.dialogs import STOP, ChoiceDialog
from simo2_tui.screens.host import host_of
from simo2_tui.screens.panes import PANES
from simo2_tui.screens.plots import PlotsScreen, copy_line, plots_of
from simo2_tui.session.base import Session, state_of
from simo2_tui.session.device import DeviceMeter
from simo2_tui.session.drawing import DrawingJob
from simo2_tui.session.snapshot import Projector, ShownSnapshot, read_snapshot
from simo2_tui.widgets.charts import CurveChart
from simo2_tui.widgets.embedding_views import ClassLegend, HeatMap, ScatterPlot
from simo2_tui.widgets.keybar import KeyBar
from simo2_tui.widgets.text import Lines, LogView

KEYS = (*(pane.name for pane in PANES), "scatter")
"""What the number keys show."""


MATRIX_FROM = 40
"""Rows from which on the class similarity has room below the cloud; the embedding screen has it always."""


class MonitorScreen(ConsoleScreen):
    """Charts left, embedding right, log below."""

    SECTION = "training"
    FOCUS_FIRST = f"#{KEYS[0]}"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "pause", tooltip="pause, or go on"),
        Binding("c", "order('checkpoint')", "checkpoint", tooltip="checkpoint now"),
        Binding("s", "order('plot')", "plots", tooltip="save plots now"),
        Binding("e", "order('embed')", "embed", tooltip="embed validation now"),
        Binding("S", "stop", "stop and save", show=False),
        Binding("r", "resume", "resume"),
        Binding("v", "plots", "look at plots"),
        *[Binding(str(i + 1), f"pane({i})", f"pane {i + 1}: {KEYS[i]}", show=False) for i in range(len(KEYS))],
        Binding("u", "unit", "loss unit: sum, per pair, above its floor", show=False),
        Binding("m", "maximise", "maximise", show=False),
        Binding("slash", "filter", "filter the log", show=False),
        Binding("Y", "copy", "copy scp line", show=False),
        Binding("escape", "back", "back", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._drawn = -1
        self._said = ""
        self._pane = self._chart = KEYS[0]
        """What was chosen last, and which chart: that one stays beside the embedding."""
        self._unit = 0
        self._solo = False
        self._hint = ""
        self._projector = Projector()
        self._snapshot: ShownSnapshot | None = None
        self._snapshot_name = ""
        self._rung: set[str] = set()
        self._meter = DeviceMeter()
        self._drawing: DrawingJob | None = None
        self._idle: frozenset[str] = frozenset()

    def compose(self) -> ComposeResult:
        yield Lines(id="status")
        yield Lines(id="values")
        yield Lines(id="plain")
        with Horizontal(id="body"):
            for column, main in (("left", True), ("middle", False)):
                with Vertical(id=column):
                    for pane in PANES:
                        if pane.main is main:
                            yield CurveChart(id=pane.name, classes="pane", log_y=pane.log_y, empty=pane.empty)
            with Vertical(id="right"):
                with Vertical(id="cloud", classes="pane"):
                    yield ScatterPlot(id="scatter")
                    yield ClassLegend(id="legend")
                yield HeatMap(id="heat", classes="pane")
        with Horizontal(id="below"):
            yield LogView(id="log", classes="pane")
            yield Lines(id="device", classes="pane")
        yield Line(id="filter", placeholder="filter the log; Enter keeps, Esc clears", compact=True)
        yield KeyBar()

    def begin(self) -> None:
        titles = {
            "cloud": f"{len(KEYS)} embedding",
            "heat": "class similarity",
            "log": "log",
            "device": "device",
        }
        for name, title in titles.items():
            self.query_one(f"#{name}").border_title = Content(title)
        self._title_panes()
        self._apply_pane()
        self.query_one(self.FOCUS_FIRST).focus()
        self.poll()

    def _title_panes(self) -> None:
        for number, pane in enumerate(PANES, start=1):
            self.query_one(f"#{pane.name}").border_title = Content(pane.titled(number, readings.UNITS[self._unit]))

    def resized(self, event: events.Resize) -> None:
        self._apply_pane()

    def focus_target(self) -> str:
        return f"#{self._pane}"

    def draw_new(self) -> None:
        session = self.session
        link, spent = host_of(self).refreshing.words
        self.query_one("#status", Lines).show(
            lambda width, glyphs: [readings.status_spans(session, width, glyphs, link=link, spent=spent)]
        )
        self._show_device()
        self._collect_pictures()
        history = session.history
        state = state_of(session)
        if self._idle != self.idle_actions:
            self._idle = self.idle_actions
            self.refresh_bindings()
        if history.version == self._drawn and session.error is None:
            if session.progress is not None or state != self._said:
                self._said = state
                self._show_values()
            return
        self._drawn, self._said = history.version, state
        self._show_values()
        self._show_curves()
        self._show_embedding()
        self.query_one("#log", LogView).show(history.log)
        self._ring()

    @property
    def idle_actions(self) -> frozenset[str]:
        state = state_of(self.session)
        orders = {"pause", "order('checkpoint')", "order('embed')"}
        if state.running or state is State.READING:
            return frozenset({"resume", "plots", *((*orders, "order('plot')") if self.session.read_only else ())})
        orders |= set() if state.unfinished and not self.session.read_only else {"resume"}
        return frozenset(orders | ({"order('plot')"} if self.session.read_only else set()))

    def _show_device(self) -> None:
        panel = self.query_one("#device", Lines)
        self.set_class(not self.session.alive, "-ended")
        if panel.size.width:  # hidden where there is no room, and then nothing is measured
            sample = self._meter.look(self.session)
            waits = self.session.history.calls.column("data_wait")[-9:]
            waited = float(waits.mean()) if len(waits) else None
            panel.show(lambda width, glyphs: readings.device_rows(sample, width, glyphs, waited))

    def _show_values(self) -> None:
        session = self.session
        self.query_one("#values", Lines).show(lambda width, glyphs: [readings.value_spans(session, width, glyphs)])
        self.query_one("#plain", Lines).show(lambda width, glyphs: readings.plain_rows(session, width, glyphs))

    def _show_curves(self) -> None:
        history = self.session.history
        newest, limit = float(history.step), history.total_steps
        for pane in PANES:
            chart = self.query_one(f"#{pane.name}", CurveChart)
            if chart.size.width:  # a pane that is not on the screen costs nothing
                series = pane.curves(self.session, readings.UNITS[self._unit])
                chart.show(series, newest=newest, limit=limit, flags=pane.flags(history))

    def _show_embedding(self) -> None:
        snapshots, run = self.session.history.snapshots, self.session.run
        if not snapshots or run is None or snapshots[-1].path == self._snapshot_name:
            return
        newest = read_snapshot(run.path / snapshots[-1].path)
        if newest is None:
            return
        self._snapshot, self._snapshot_name = newest, snapshots[-1].path
        scatter = self.query_one("#scatter", ScatterPlot)
        scatter.show(self._projector.project(newest.z_nd), newest.labels_n, newest.class_names)
        self.query_one("#legend", ClassLegend).show(newest.class_names, scatter.isolated)
        self.query_one("#heat", HeatMap).show(newest.similarity_cc, newest.class_names)
        self._tell_cloud()

    def _tell_cloud(self) -> None:
        """Which images the points are, and how to see the other panes where one hides them."""
        scatter, found = self.query_one("#scatter", ScatterPlot), self._snapshot
        if scatter.picked is not None or found is None:
            return
        words = [f"step {found.step}", f"{len(found.z_nd):,} validation images", self._hint]
        self.query_one("#cloud").border_subtitle = Content(" · ".join(filter(None, words)))

    def _ring(self) -> None:
        """Rings once for each kind of warning; it stays listed in the status line and in the log."""
        for warning in list(self.session.history.warnings):
            if warning.code not in self._rung:
                self._rung.add(warning.code)
                self.app.bell()

    def _apply_pane(self) -> None:
        """Shows what there is room for: all, or the chosen chart beside the embedding, or what was chosen alone."""
        alone = self._solo or self.has_class("-narrow")
        if self.has_class("-wide") and not self._solo:
            shown = set(KEYS)
        else:
            shown = {self._pane} if alone else {self._chart, "scatter"}
        self._hint = "" if shown == set(KEYS) else f"1-{len(KEYS)} choose a pane"
        for pane in PANES:
            chart = self.query_one(f"#{pane.name}")
            chart.display, chart.border_subtitle = pane.name in shown, Content(self._hint)
        for column, main in (("left", True), ("middle", False)):
            self.query_one(f"#{column}").display = any(pane.name in shown for pane in PANES if pane.main is main)
        self.query_one("#right").display = "scatter" in shown
        self._tell_cloud()
        self.query_one("#heat").display = not alone and self.size.height >= MATRIX_FROM
        self.set_class(self._solo, "-solo")
        self._draw_again()

    def _draw_again(self) -> None:
        """Once the new layout has given every pane its size: a hidden pane has none, and was not drawn."""
        self._drawn = -1
        self.call_after_refresh(self.poll)

    def action_pane(self, index: int) -> None:
        """Shows the pane and gives it the keys."""
        self.remove_class("-log")
        self._pane = KEYS[index]
        self._chart = self._chart if self._pane == "scatter" else self._pane
        self._apply_pane()
        self.query_one(f"#{self._pane}").focus()

    def action_maximise(self) -> None:
        """Gives the pane with the keys, or the log, the whole screen, or takes it back."""
        self._solo = not self._solo
        self.set_class(self._solo and isinstance(self.focused, LogView), "-log")
        self._apply_pane()

    def action_unit(self) -> None:
        """Counts the loss as a sum, a pair, or a pair above its floor."""
        self._unit = (self._unit + 1) % len(readings.UNITS)
        self._title_panes()
        self._drawn = -1
        self.poll()

    def action_pause(self) -> None:
        """Pauses, or goes on."""
        self.action_order(Command.RESUME if self.session.history.paused else Command.PAUSE)

    def action_order(self, word: str) -> None:
        """Sends a command to whoever trains; the log says when it was taken. Without anybody plots are drawn here."""
        session, state = self.session, state_of(self.session)
        if not state.running and state is not State.READING:
            if word == Command.PLOT and not session.read_only:
                self._draw_pictures()
                return
            cure = "" if state.done else " r goes on with it."
            self.notify(f"This run has ended.{cure}", severity="warning", timeout=4)
            return
        try:
            session.command(word)
        except Simo2Error as error:
            self.notify(str(error), severity="error", timeout=8)

    def _draw_pictures(self) -> None:
        run = self.session.run
        if self._drawing is None and run is not None:
            self._drawing = DrawingJob(run)
            self.notify("The pictures are being drawn.", timeout=4)

    def _collect_pictures(self) -> None:
        if self._drawing is None or not self._drawing.done:
            return
        job, self._drawing = self._drawing, None
        paths = job.result()
        if paths:
            self.notify(f"{len(paths)} pictures are drawn: v shows them.", timeout=6)
        else:
            self.notify(f"No picture was drawn: {job.reason}", severity="error", timeout=10)

    def on_unmount(self) -> None:
        if self._drawing is not None:
            self._drawing.cancel()

    def action_stop(self) -> None:
        """Asks whether to stop the run, whoever trains it, and to stay here."""
        if self.session.read_only or not self.session.alive:
            self.action_order(Command.STOP)  # which says why not
        else:
            self.app.push_screen(ChoiceDialog(*STOP), self._stop)

    def _stop(self, answer: str | None) -> None:
        if answer == "save":
            self.action_order(Command.STOP)

    def action_resume(self) -> None:
        """Goes on with a run that nobody trains."""
        if self.session.alive:
            self.notify("This run is being trained.", timeout=4)
        elif self.session.run is not None:
            host_of(self).opener.resume(self.session.run)

    def action_plots(self) -> None:
        """Shows the run's pictures in half blocks."""
        paths = self._plots()
        if paths:
            self.app.push_screen(PlotsScreen(paths))

    def action_copy(self) -> None:
        """Copies the command that fetches the newest picture."""
        paths = self._plots()
        if paths:
            copy(self.app, copy_line(paths[0]))

    def _plots(self) -> list[Path]:
        paths = plots_of(self.session.run) if self.session.run is not None else []
        if not paths:
            cure = "" if self.session.read_only else " s draws them."
            self.notify(f"No pictures yet.{cure}", timeout=4)
        return paths

    def action_filter(self) -> None:
        """Asks for the words that log lines must have."""
        self.add_class("-filter")
        self.query_one("#filter").focus()

    def action_back(self) -> None:
        """Leaves, in this order: the filter, the big pane, the cursor of a chart, the screen."""
        focused = self.focused
        if self.has_class("-filter"):
            self.query_one("#filter", Input).value = ""
            self._close_filter()
        elif self._solo:
            self.action_maximise()
        elif isinstance(focused, CurveChart) and focused.view.cursor is not None:
            focused.action_follow()
        elif isinstance(focused, ScatterPlot) and focused.picked is not None:
            focused.pick(None)
        else:
            host_of(self).opener.leave_monitor()

    def on_scatter_plot_isolated(self, event: ScatterPlot.Isolated) -> None:
        self.query_one("#legend", ClassLegend).show(event.class_names, event.label)

    def on_scatter_plot_picked(self, event: ScatterPlot.Picked) -> None:
        if event.index is not None and self._snapshot is not None:
            name = self._snapshot.class_names[self._snapshot.labels_n[event.index]]
            self.query_one("#cloud").border_subtitle = Content(f"image {event.index}, {name} · E shows those nearest")
        else:
            self._snapshot_name = ""
            self._show_embedding()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.query_one("#log", LogView).filter(event.value)

    def on_line_left(self, event: Line.Left) -> None:
        self.action_back()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._close_filter()

    def _close_filter(self) -> None:
        self.remove_class("-filter")
        self.query_one("#log").focus()
