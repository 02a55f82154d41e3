"""The launcher: choose a preset, see and change every setting, know what it would trip over, start."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import get_current_worker

from simo2_core.config import Config
from simo2_core.data.sources.place import is_place
from simo2_core.errors import ConfigError, PartError
from simo2_core.first_settings import FirstSettings, first_settings
from simo2_core.presets import PRESETS, config_for, find_preset
from simo2_core.recipes import NONE
from simo2_core.run.directory import RunDirectory, list_runs
from simo2_core.run.summary import RunSummary
from simo2_tui.screens.base import ConsoleScreen
from simo2_tui.screens.host import host_of
from simo2_tui.screens.readiness import Row, data_state, find_out
from simo2_tui.screens.settings import SettingsEditor
from simo2_tui.session.estimate import Pace, preset_of, read_paces
from simo2_tui.session.shelf import Shelf
from simo2_tui.session.trial import Trial
from simo2_tui.widgets.keybar import KeyBar
from simo2_tui.widgets.options import Options
from simo2_tui.widgets.palette import ACCENT, ALERT, GOOD, MUTED, WARN
from simo2_tui.widgets.text import ago, state_style, wrapped
from simo2_tui.widgets.view import table_of

RECENT = 6

LONGEST = max(map(len, PRESETS))

TITLE_FROM = 10
"""Columns from which on a preset's title says more than a syllable."""

MOST_ROWS = 6
"""Rows of what to know before a run."""

TONES = {"ready": GOOD, "needs": WARN, "time": ACCENT, "info": MUTED, "warning": WARN, "error": ALERT}
"""The ink of each kind of finding."""

LEAD = 9
"""Columns of a finding that its message does not have: its mark, and the margins."""


class PresetList(Options):
    """The presets to choose from."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select", "start")]


class RunList(Options):
    """The newest runs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "open"),
    ]


class LauncherScreen(ConsoleScreen):
    """Presets and recent runs left, the resolved settings right, what to know below."""

    SECTION = "launcher"
    FOCUS_FIRST = "#presets"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "next list", show=False),
        Binding("N", "name", "name", tooltip="name the run that is started next"),
        Binding("slash", "filter", "find", tooltip="find a setting"),
        Binding("t", "trial", "time it", tooltip="take some steps, to know how long it would take"),
        Binding("r", "resume", "resume"),
    ]

    def __init__(self, preset: str | None, overrides: Mapping[str, Any], name: str | None = None) -> None:
        """Raises ConfigError for a preset that does not exist; `name` is what the first run will be called."""
        super().__init__()
        known = preset_of(config_for(overrides["dataset"])) if "dataset" in overrides else None
        self._preset = preset or (known.config.preset if known else next(iter(PRESETS)))
        find_preset(self._preset)
        self._overrides = dict(overrides)
        self._data = overrides.get("dataset", "") if preset is None and known is None else ""
        """The data set whose settings these are, where no preset knows it: until another preset is chosen."""
        self._name_wanted = name or ""
        self._recent: list[RunSummary] = []
        self._shelf = Shelf(Path())
        self._paces: list[Pace] = []
        self._measured: list[Pace] = []
        self._trial: Trial | None = None
        self._ready: dict[str, bool] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="title", markup=False)
        with Horizontal(id="columns"):
            with Vertical(id="choices"):
                yield RunList(id="recent")
                yield PresetList(id="presets")
            yield SettingsEditor(id="settings")
        yield Static(id="findings", markup=False)
        yield KeyBar()

    def begin(self) -> None:
        self.query_one("#title", Static).update(
            Text.assemble(
                (" simo2 ", "bold reverse"), "  train an encoder, watch each class find a direction of its own"
            )
        )
        presets = self.query_one("#presets", OptionList)
        presets.border_title = "presets"
        presets.border_subtitle = "● data are here  ○ to be fetched"
        presets.add_options([Option(self._preset_row(name), id=name) for name in PRESETS])
        self.query_one("#recent").border_title = "recent runs"
        self.query_one("#recent").border_subtitle = "Enter opens, r resumes"
        self._shelf = Shelf(host_of(self).run_dir)
        editor = self.query_one(SettingsEditor)
        editor.border_title = "settings"
        editor.run_dir, editor.run_name = host_of(self).run_dir, self._name_wanted
        presets.highlighted = list(PRESETS).index(self._preset)
        presets.focus()

        self._look_anew()

    def on_screen_resume(self) -> None:
        if self.ready:  # else `begin` does it
            self._look_anew()

    def _look_anew(self) -> None:
        self.show_recent()
        self._look_for_data()

    @work(thread=True, exclusive=True, group="data")
    def _look_for_data(self) -> None:
        worker, ready = get_current_worker(), {}
        for name, preset in PRESETS.items():
            config = preset.config.replace({"data_dir": self.config.data.data_dir})
            ready[name] = data_state(preset, config)[0] == "ready"
        if not worker.is_cancelled:
            self.app.call_from_thread(self.if_ready, self._mark_ready, ready)

    def _mark_ready(self, ready: dict[str, bool]) -> None:
        if ready != self._ready:
            self._ready = ready
            self._show_presets()

    def _show_presets(self) -> None:
        presets = self.query_one("#presets", OptionList)
        for name in PRESETS:
            row = self._preset_row(name)
            if row != presets.get_option(name).prompt:
                presets.replace_option_prompt(name, row)

    def resized(self, event: events.Resize) -> None:
        self.refresh_bindings()
        self.call_after_refresh(self.if_ready, self._show_findings)
        self.call_after_refresh(self.if_ready, self._show_presets)

    def draw_new(self) -> None:
        """Nothing moves here by itself but a trial, and the runs that others train."""
        if self._shelf.due():
            self._look()
        if self._trial is None or not self._trial.done:
            return
        trial, self._trial = self._trial, None
        pace = trial.pace()
        if pace is None:
            self.notify(f"The trial failed: {trial.reason}", severity="error", timeout=10)
        else:
            self._measured.insert(0, pace)
        self._show_findings()

    def on_unmount(self) -> None:
        if self._trial is not None:
            self._trial.cancel()

    def action_trial(self) -> None:
        """Takes some steps with the settings as they stand, on random images, to know how long the run would take."""
        if self._trial is not None:
            self.notify("A trial is under way.", timeout=4)
        elif self.config.minutes:
            self.notify("It trains for a time: its first seconds tell how many steps that will be.", timeout=6)
        elif preset_of(self.config) is None:
            self.notify("No preset knows these images: the first seconds of the run will tell.", timeout=6)
        else:
            self._trial = Trial(self.config)
            self._show_findings()

    @property
    def idle_actions(self) -> frozenset[str]:
        unfinished = any(summary.state.unfinished for summary in self._recent)
        idle = set() if unfinished and not host_of(self).opener.read_only else {"resume"}
        idle |= set() if self._recent else {"embedding"}
        return frozenset(idle | ({"name", "filter"} if self.has_class("-tiny") else set()))

    def show_recent(self) -> None:
        """Lists the newest runs under the run directory."""
        self._take_recent(self._shelf.look(RECENT))
        self._read_paces(list_runs(host_of(self).run_dir))

    @work(thread=True)
    def _look(self) -> None:
        """Looks at the newest runs beside the screen's thread: a network disk may take its time."""
        self.app.call_from_thread(self.if_ready, self._take_recent, self._shelf.look(RECENT))

    def _take_recent(self, found: list[RunSummary]) -> None:
        """Shows the runs as they are now; the cursor stays with its run."""
        listing, table = self.query_one("#recent", OptionList), table_of(self.app)
        at = listing.highlighted
        chosen = self._recent[at].run.name if at is not None and at < len(self._recent) else ""
        names = [summary.run.name for summary in found]
        same = names == [summary.run.name for summary in self._recent]
        self._recent, listing.display = found, bool(found)
        self.refresh_bindings()
        if same:
            for index, summary in enumerate(found):
                row = _run_row(summary, table)
                if row != listing.get_option_at_index(index).prompt:  # else nothing travels
                    listing.replace_option_prompt_at_index(index, row)
            return
        listing.clear_options()
        listing.add_options([Option(_run_row(summary, table), id=str(i)) for i, summary in enumerate(found)])
        listing.highlighted = (names.index(chosen) if chosen in names else 0) if found else None

    @work(thread=True, exclusive=True, group="paces")
    def _read_paces(self, runs: list[RunDirectory]) -> None:
        worker, paces = get_current_worker(), read_paces(runs)
        if not worker.is_cancelled:
            self.app.call_from_thread(self.if_ready, self._take_paces, paces)

    def _take_paces(self, paces: list[Pace]) -> None:
        self._paces = paces
        self._show_findings()

    def _chosen_run(self) -> RunSummary | None:
        """The run under the cursor while the list of runs has the keys, otherwise the newest that can be resumed."""
        listing = self.query_one("#recent", OptionList)
        if listing.has_focus and listing.highlighted is not None:
            return self._recent[listing.highlighted]
        return next((summary for summary in self._recent if summary.state.unfinished), None)

    def action_resume(self) -> None:
        """Continues the chosen run, or the newest that can be."""
        summary = self._chosen_run()
        if summary is None:
            self.notify("There is no unfinished run to resume.", timeout=4)
        else:
            host_of(self).opener.resume(summary.run)

    def chosen_run(self) -> RunDirectory | None:
        """The run under the cursor while the list of runs has the keys, otherwise the newest."""
        listing = self.query_one("#recent", OptionList)
        at = listing.highlighted if listing.has_focus else 0
        return self._recent[at].run if at is not None and at < len(self._recent) else None

    def action_name(self) -> None:
        """Asks what the run that is started next is to be called."""
        self.query_one(SettingsEditor).ask_name()

    def _preset_row(self, name: str) -> Text:
        mark = {True: ("● ", ""), False: ("○ ", "dim"), None: ("  ", "")}[self._ready.get(name)]
        padded = f"{name:<{LONGEST}}  "
        room = self.query_one("#presets").content_size.width - len(padded) - 2
        title = PRESETS[name].title if room >= TITLE_FROM else ""
        return Text.assemble(
            mark, (padded if title else name, "bold"), (title, "dim"), no_wrap=True, overflow="ellipsis"
        )

    @property
    def config(self) -> Config:
        """The settings as they stand."""
        return self.query_one(SettingsEditor).config

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_list.id == "presets" and event.option_id:
            self._data = self._data if self._preset == event.option_id else ""
            self._preset = event.option_id
            self._load_preset()

    def _load_preset(self) -> None:
        self._load(self._overrides)
        if self._data:
            self._look_for_recipe(self._overrides, self.config)

    def _load(self, given: Mapping[str, Any]) -> None:
        """Takes the settings of the preset, or of the data set, with those `given` in their place."""
        data = {"dataset": self._data} if self._data else {}
        try:
            self._take(first_settings(self._named, {**data, **given}, look=False))
        except (ConfigError, PartError) as error:
            self._take(first_settings(self._named, data, look=False))
            self.notify(str(error), severity="error", timeout=10)

    @property
    def _named(self) -> str | None:
        return None if self._data else self._preset

    def _take(self, first: FirstSettings) -> None:
        editor = self.query_one(SettingsEditor)
        editor.load(first.base, first.config)
        named = Path(self._data).name if self._data else self._preset
        recipe = "" if first.config.recipe == NONE else f", recipe {first.config.recipe}"
        editor.border_title = Content(f"{named}: settings{recipe}")
        editor.border_subtitle = Content(first.why)
        self._show_findings()

    @work(thread=True, exclusive=True, group="recipe")
    def _look_for_recipe(self, given: Mapping[str, Any], shown: Config) -> None:
        """Takes the recipe that suits the images of a folder, unless a setting is changed meanwhile."""
        worker = get_current_worker()
        try:
            first = first_settings(None, given)
        except (ConfigError, PartError):
            return  # what was changed goes with the settings that are shown, and not with those of a folder
        if first.config.recipe != NONE and first.why and not worker.is_cancelled:
            self.app.call_from_thread(self.if_ready, self._take_recipe, first, shown)

    def _take_recipe(self, first: FirstSettings, shown: Config) -> None:
        if self.config == shown:
            self._data = shown.data.dataset
            self._take(first)

    def on_settings_editor_changed(self, event: SettingsEditor.Changed) -> None:
        self._show_findings()
        if is_place(event.changes.get("dataset", "")):
            self._look_for_recipe(event.changes, self.config)

    def on_settings_editor_recipe_chosen(self, event: SettingsEditor.RecipeChosen) -> None:
        """Begins with another recipe, or without one; what was changed here before holds."""
        self._load({**event.changes, "recipe": event.recipe})

    def _show_findings(self) -> None:
        config, scan = self.config, is_place(self.config.data.dataset)
        self._show_rows(find_out(PRESETS[self._preset], config, [*self._measured, *self._paces], scan=False))
        if scan:
            self._look_into_folder(self._preset, config)

    @work(thread=True, exclusive=True, group="folder")
    def _look_into_folder(self, preset: str, config: Config) -> None:
        worker = get_current_worker()
        rows = find_out(PRESETS[preset], config, [*self._measured, *self._paces])
        if not worker.is_cancelled:
            self.app.call_from_thread(self.if_ready, self._show_folder, config, rows)

    def _show_folder(self, config: Config, rows: list[Row]) -> None:
        if config == self.config:  # else another setting was changed while the folder was listed
            self._show_rows(rows)

    def _show_rows(self, rows: list[Row]) -> None:
        table = table_of(self.app)
        text, left = Text(), MOST_ROWS
        for severity, message in rows:
            if severity == "time" and self._trial is not None:
                message = "taking some steps on random images, to measure: half a minute"
            lines = wrapped(message, max(20, self.size.width - LEAD))
            # What has to be acted on is always said; the rest where there is room to say it whole.
            if len(lines) > left and severity not in ("error", "warning", "needs"):
                continue
            left -= len(lines)
            mark = {"error": "cannot", "warning": "mind", "info": "note"}.get(severity, severity)
            text.append("\n" if text else "")
            text.append(f"{mark:<7}", table[TONES[severity]])
            text.append(f"\n{'':<7}".join(lines))
        self.query_one("#findings", Static).update(text)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        if event.option_list.id == "presets":
            self.action_start()
        elif event.option_list.id == "recent" and event.option_id is not None:
            summary = self._recent[int(event.option_id)]
            host_of(self).opener.follow(summary.run)

    def action_start(self) -> None:
        """Starts a run with the settings as they stand."""
        if self._trial is not None:  # it would take the processors from the run itself
            self._trial.cancel()
            self._trial = None
        editor = self.query_one(SettingsEditor)
        name = editor.run_name
        host_of(self).opener.start(self.config, name or None)
        if name and (host_of(self).run_dir / name).exists():
            editor.name_run()  # the next run needs another one

    def action_filter(self) -> None:
        """Asks for a part of a setting's name."""
        self.query_one(SettingsEditor).ask_filter()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()


def _run_row(summary: RunSummary, table: Sequence[str]) -> Text:
    knn = summary.best_knn
    value = "     -" if knn is None else f"{knn:6.1%}"
    age = ago(max(0.0, time.time() - summary.time)) if summary.time else "-"
    return Text.assemble(
        (f"{summary.state:<12}", state_style(summary.state, table)),
        (f"{value} ", table[ALERT] if summary.below_raw_pixels else ""),
        (f"{age:>4}  ", "dim"),
        summary.run.name,
        no_wrap=True,
        overflow="ellipsis",
    )
