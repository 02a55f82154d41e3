"""Every setting of a run in a list, each editable, each checked while it is typed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from simo2_core.config import Config, all_settings
from simo2_core.errors import ConfigError, PartError
from simo2_core.recipes import replaced_by
from simo2_core.sections import names_in
from simo2_core.settings import Setting, as_typed
from simo2_tui.screens.questions import NAME_HELP, FilterQuestion, NameQuestion, QuestionLine, ValueQuestion
from simo2_tui.widgets.options import Options
from simo2_tui.widgets.palette import WARN
from simo2_tui.widgets.view import table_of

FIRST = ("steps", "batch_size", "samples_per_class", "embedding_size", "learning_rate", "schedule", "optimizer", "seed")
"""The settings that are changed most, shown first; the others follow in the order of `Config`."""


HEADINGS = {"": "run", "data": "data", "augment": "augmentation", "model": "model", "objective": "objective",
            "optim": "optimiser", "tune": "fine-tuning"}  # fmt: skip
"""What stands over the settings of a section."""

NAME = "run-name"
"""The row above the settings: a run's name is no setting, and no other run has it."""

HELP_FROM = 60
"""Columns from which on a setting's description has room beside it; the line below the list always says it."""


def ordered_settings() -> list[Setting]:
    """All settings, those of `FIRST` in front."""
    known = {item.name: item for item in all_settings()}
    return [known[name] for name in FIRST] + [item for name, item in known.items() if name not in FIRST]


class SettingList(Options):
    """The settings to choose from, under the headings of their sections, and above them the run's name."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "edit"),
        Binding("backspace", "reset", "preset's value"),
    ]

    class Reset(Message):
        """What the highlighted row says is to be as it was."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._settings = ordered_settings()

    def action_reset(self) -> None:
        self.post_message(self.Reset())

    @property
    def chosen(self) -> str | None:
        """The highlighted setting's name, or `NAME`."""
        return self.highlighted_option.id if self.highlighted_option else None

    def setting(self, name: str | None) -> Setting | None:
        """The setting of that name; None for what is no setting."""
        return next((item for item in self._settings if item.name == name), None)

    def show(self, config: Config, base: Config, run_name: str, wanted: str, *, roomy: bool) -> None:
        """Lists the settings that `config` has and whose name or help has `wanted`; marks what differs from `base`.

        Args:
            roomy: whether there is room for their help as well.
        """
        kept = self.chosen
        mark = f"bold {table_of(self.app)[WARN]}"
        options = [Option(_name_row(run_name, mark), id=NAME)] if wanted in "name" else []
        heading = ""
        for item in self._settings:
            if not config.has(item.name) or not (wanted in item.name or wanted in item.help.lower()):
                continue
            above = "most used" if item.name in FIRST else HEADINGS[item.section]
            if above != heading:
                options.append(Option(Text(above, "underline"), disabled=True))
                heading = above
            options.append(Option(_row(item, config, base, mark, roomy), id=item.name))
        self.clear_options()
        self.add_options(options)
        named = [option.id for option in options if option.id]
        if named:
            self.highlighted = self.get_option_index(kept if kept in named else named[0])


def _name_row(run_name: str, mark: str) -> Text:
    row = Text(no_wrap=True, overflow="ellipsis")
    row.append("* " if run_name else "  ", mark)
    row.append(f"{'name':<20} ")
    row.append(run_name or "automatic", mark if run_name else "dim")
    return row


def _row(item: Setting, config: Config, base: Config, mark: str, roomy: bool) -> Text:
    value = config.get(item.name)
    changed = not base.has(item.name) or value != base.get(item.name)
    row = Text(no_wrap=True, overflow="ellipsis")
    row.append("* " if changed else "  ", mark)
    row.append(f"{item.name:<20} ")
    shown = as_typed(value)
    row.append(f"{shown:<12} " if roomy else shown, mark if changed else "bold")  # blanks would be cut as words are
    row.append(item.help if roomy else "", "dim")
    return row


def _usual(name: str, base: Config, config: Config) -> Any:
    """The preset's value of a setting, or what its part has by itself where the preset has another part."""
    if base.has(name):
        return base.get(name)
    owner = dict(names_in(config))[name]
    return getattr(type(owner)(), name)


def _with_its_own(config: Config, before: Config, base: Config) -> Config:
    """Settings that have come back with a part of the preset's have the preset's values again, not the part's own."""
    names = [item.name for item in config.settings()]
    back = {name: base.get(name) for name in names if base.has(name) and not before.has(name)}
    return config.replace(back) if back else config


def _changes(base: Config, now: Config) -> dict[str, Any]:
    """The settings of `now` by name that are not those of `base`."""
    names = [item.name for item in now.settings()]
    return {name: now.get(name) for name in names if not base.has(name) or now.get(name) != base.get(name)}


def _taken_back(chosen: str, base: Config, now: Config) -> dict[str, Any]:
    """What a setting was before it was changed, and what it replaced, where nothing else that was changed does."""
    replaced = replaced_by({chosen: now.get(chosen)})
    others = {name: value for name, value in _changes(base, now).items() if name not in (chosen, *replaced)}
    back = [name for name, value in replaced.items() if name not in replaced_by(others) and now.get(name) == value]
    return {name: _usual(name, base, now) for name in (chosen, *back)}


class SettingsEditor(Vertical):
    """A list of settings, and one line in which the chosen one is typed."""

    class Changed(Message):
        """A setting has another value; `changes` are all that are not as they were loaded."""

        def __init__(self, changes: Mapping[str, Any]) -> None:
            super().__init__()
            self.changes = changes

    class RecipeChosen(Message):
        """Another recipe is wanted, which stands for many settings: none is changed yet beside the `changes`."""

        def __init__(self, recipe: str, changes: Mapping[str, Any]) -> None:
            super().__init__()
            self.recipe, self.changes = recipe, changes

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._base = Config()
        self._config = Config()
        self._wanted = ""
        self.run_name = ""
        """What the run will be called; empty for a name of preset and time."""
        self.run_dir = Path()
        """Where its name has to be free."""

    @property
    def config(self) -> Config:
        """The settings as they stand."""
        return self._config

    def compose(self) -> ComposeResult:
        yield SettingList(id="setting-list")
        yield QuestionLine(self._back_to_list)

    def load(self, base: Config, config: Config) -> None:
        """Shows `config`; what differs from `base` is marked, and can be taken back."""
        self._base, self._config = base, config
        self._list()

    def _list(self) -> None:
        shown = self.query_one(SettingList)
        shown.show(self._config, self._base, self.run_name, self._wanted, roomy=self.size.width >= HELP_FROM)

    def _back_to_list(self) -> None:
        self._list()
        self.query_one(SettingList).focus()

    def on_resize(self) -> None:
        self._list()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        line, item = self.query_one(QuestionLine), self.query_one(SettingList).setting(event.option_id)
        if line.asking:
            return
        if item is not None:
            choices = f" ({', '.join(item.choices)})" if item.choices else ""
            line.say(f"{item.flag}: {item.help}{choices}")
        elif event.option_id == NAME:
            line.say(NAME_HELP)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        item = self.query_one(SettingList).setting(event.option_id)
        if item is not None:
            self.query_one(QuestionLine).ask(ValueQuestion(item, self._config, self._take))
        elif event.option_id == NAME:
            self.ask_name()

    def _take(self, config: Config) -> None:
        if config.recipe != self._config.recipe:
            self.post_message(self.RecipeChosen(config.recipe, _changes(self._base, self._config)))
            return
        self._config = config = _with_its_own(config, self._config, self._base)
        self._list()
        self.post_message(self.Changed(_changes(self._base, config)))

    def ask_name(self) -> None:
        """Asks what the run is to be called."""
        self.query_one(QuestionLine).ask(NameQuestion(self.run_name, self.run_dir, self.name_run))

    def name_run(self, name: str = "") -> None:
        """Calls the next run by a name; without one it gets one of preset and time."""
        self.run_name = name
        self._list()

    def ask_filter(self) -> None:
        """Asks for a part of a setting's name or description."""
        self.query_one(QuestionLine).ask(FilterQuestion(self._wanted, self._find))

    def _find(self, wanted: str) -> None:
        self._wanted = wanted
        self._list()

    def on_setting_list_reset(self, event: SettingList.Reset) -> None:
        """Takes the preset's value of the highlighted setting back."""
        event.stop()
        chosen = self.query_one(SettingList).chosen
        if chosen == NAME:
            self.name_run()
        elif chosen is not None:
            try:
                self._take(self._config.replace(_taken_back(chosen, self._base, self._config)))
            except (ConfigError, PartError) as error:
                self.notify(str(error), severity="error")
