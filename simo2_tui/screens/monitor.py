"""The monitor: watch one run, live, attached or replayed, and steer it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Input

from simo2_core.commands import Command
from simo2_core.errors import Simo2Error
from simo2_tui.screens import readings
from simo2_tui.screens.dialogs import STOP, ChoiceDialog
from simo2_tui.screens.host import host_of
from simo2_tui.screens.layout import size_class
from simo2_tui.screens.plots import PlotsScreen, copy_line, plots_of
from simo2_tui.session.base import Session, state_of
from simo2_tui.session.device import DeviceMeter
from simo2_tui.session.snapshot import Projector, Snapshot, read_snapshot
from simo2_tui.widgets.charts import CurveChart
from simo2_tui.widgets.curve import Series
from simo2_tui.widgets.embedding_views import ClassLegend, HeatMap, ScatterPlot
from simo2_tui.widgets.text import Lines, LogView

PANES = ("loss", "accuracy", "gradient", "speed", "scatter")
"""What the keys 1 to 5 show."""


MATRIX_FROM = 40
"""Rows from which on the class similarity has room below the cloud; the embedding screen has it always."""


class MonitorScreen(Screen[None]):
    """Charts left, embedding right, log below."""

    SECTION = "training"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "pause", tooltip="pause, or go on"),
        Binding("c", "order('checkpoint')", "checkpoint", tooltip="checkpoint now"),
        Binding("s", "order('plot')", "plots", tooltip="save plots now"),
        Binding("e", "order('embed')", "embed", tooltip="embed validation now"),
        Binding("S", "stop", "stop and save", show=False),
        Binding("r", "resume", "resume", show=False),
        *[Binding(str(i + 1), f"pane({i})", f"pane {i + 1}: {PANES[i]}", show=False) for i in range(len(PANES))],
        Binding("u", "unit", "loss unit: sum, per pair, above its floor", show=False),
        Binding("m", "maximise", "maximise", show=False),
        Binding("slash", "filter", "filter the log", show=False),
        Binding("v", "plots", "look at plots", show=False),
        Binding("Y", "copy", "copy scp line", show=False),
        Binding("E", "app.embedding", "embedding", key_display="E"),
        Binding("R", "app.runs", "runs", key_display="R"),
        Binding("escape", "back", "back", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._drawn = -1
        self._said = ""
        self._pane = 0
        self._unit = 0
        self._solo = False
        self._projector = Projector()
        self._snapshot: Snapshot | None = None
        self._snapshot_name = ""
        self._rung: set[str] = set()
        self._meter = DeviceMeter()

    def compose(self) -> ComposeResult:
        yield Lines(id="status")
        yield Lines(id="values")
        yield Lines(id="plain")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield CurveChart(id="loss", classes="pane")
            with Vertical(id="middle"):
                yield CurveChart(id="accuracy", classes="pane", empty="no evaluation yet")
                yield CurveChart(id="gradient", classes="pane", log_y=True)
                yield CurveChart(id="speed", classes="pane")
            with Vertical(id="right"):
                with Vertical(id="cloud", classes="pane"):
                    yield ScatterPlot(id="scatter")
                    yield ClassLegend(id="legend")
                yield HeatMap(id="heat", classes="pane")
        with Horizontal(id="below"):
            yield LogView(id="log", classes="pane")
            yield Lines(id="device", classes="pane")
        yield Input(id="filter", placeholder="filter the log; Enter keeps, Esc clears", compact=True)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        titles = {
            "loss": "1 loss",
            "accuracy": "2 validation kNN and rank",
            "gradient": "3 gradient",
            "speed": "4 throughput",
            "cloud": "5 embedding",
            "heat": "class similarity",
            "log": "log",
            "device": "device",
        }
        for name, title in titles.items():
            self.query_one(f"#{name}").border_title = Content(title)
        self._apply_pane()
        self.query_one("#loss").focus()
        self.poll()

    def on_resize(self, event: events.Resize) -> None:
        kind = size_class(event.size.width, event.size.height)
        for name in ("wide", "medium", "narrow", "tiny"):
            self.set_class(name == kind, f"-{name}")
        self.set_class(event.size.height < MATRIX_FROM, "-short")
        self._draw_again()

    def poll(self) -> None:
        """Draws what is new. Called a few times a second, and after every key that changes the picture."""
        console = host_of(self)
        session = self.session
        link, spent = console.cost_words()
        self.query_one("#status", Lines).show(
            lambda width, glyphs: [readings.status_spans(session, width, glyphs, link=link, spent=spent)]
        )
        self._show_device()
        history = session.history
        state = state_of(session)
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
        unit = readings.UNITS[self._unit]
        objective = self.session.config.objective
        shown: dict[str, Callable[[], list[Series]]] = {
            "loss": lambda: readings.loss_series(history, unit, objective),
            "accuracy": lambda: readings.accuracy_series(history),
            "gradient": lambda: readings.gradient_series(history),
            "speed": lambda: readings.speed_series(history),
        }
        for name, make in shown.items():
            chart = self.query_one(f"#{name}", CurveChart)
            if chart.size.width:  # a pane that is not on the screen costs nothing
                marks = readings.speed_flags(history) if name == "speed" else readings.flags(history)
                chart.show(make(), newest=newest, limit=limit, flags=marks)

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
        self.query_one("#cloud").border_subtitle = Content(
            f"step {newest.step} · {len(newest.z_nd):,} validation images"
        )

    def _ring(self) -> None:
        """Rings once for each kind of warning; it stays listed in the status line and in the log."""
        for warning in list(self.session.history.warnings):
            if warning.code not in self._rung:
                self._rung.add(warning.code)
                self.app.bell()

    def _apply_pane(self) -> None:
        for index in range(len(PANES)):
            self.set_class(index == self._pane, f"-pane-{index + 1}")
        self.set_class(self._solo, "-solo")
        self._draw_again()

    def _draw_again(self) -> None:
        """Once the new layout has given every pane its size: a hidden pane has none, and was not drawn."""
        self._drawn = -1
        self.call_after_refresh(self.poll)

    def action_pane(self, index: int) -> None:
        """Shows the pane and gives it the keys."""
        self._pane = index
        self._apply_pane()
        self.query_one(f"#{PANES[index]}").focus()

    def action_maximise(self) -> None:
        """Gives the pane the whole screen, or takes it back."""
        self._solo = not self._solo
        self._apply_pane()

    def action_unit(self) -> None:
        """Counts the loss as a sum, a pair, or a pair above its floor."""
        self._unit = (self._unit + 1) % len(readings.UNITS)
        unit = readings.UNITS[self._unit]
        self.query_one("#loss").border_title = Content("1 loss" if unit == "sum" else f"1 loss {unit}")
        self._drawn = -1
        self.poll()

    def action_pause(self) -> None:
        """Pauses, or goes on."""
        self.action_order(Command.RESUME if self.session.history.paused else Command.PAUSE)

    def action_order(self, word: str) -> None:
        """Sends a command to whoever trains; the log says when it was taken."""
        if self.session.history.finished is not None and not self.session.alive:
            self.notify("This run has ended.", severity="warning", timeout=4)
            return
        try:
            self.session.command(word)
        except Simo2Error as error:
            self.notify(str(error), severity="error", timeout=8)

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
            host_of(self).resume(self.session.run)

    def action_plots(self) -> None:
        """Shows the run's pictures in half blocks."""
        paths = self._plots()
        if paths:
            self.app.push_screen(PlotsScreen(paths))

    def action_copy(self) -> None:
        """Copies the command that fetches the newest picture."""
        paths = self._plots()
        if paths:
            line = copy_line(paths[0])
            self.app.copy_to_clipboard(line)
            self.notify(line, title="copied")

    def _plots(self) -> list[Path]:
        paths = plots_of(self.session.run) if self.session.run is not None else []
        if not paths:
            self.notify("No plots yet: s makes them.", timeout=4)
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
        elif isinstance(focused, CurveChart) and focused.cursor is not None:
            focused.action_follow()
        elif isinstance(focused, ScatterPlot) and focused.picked is not None:
            focused.pick(None)
        else:
            host_of(self).leave_monitor()

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

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._close_filter()

    def _close_filter(self) -> None:
        self.remove_class("-filter")
        self.query_one("#log").focus()
