"""Every setting of a run in a list, each editable, each checked while it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from simo2_core.config import Config, all_settings
from simo2_core.errors import ConfigError
from simo2_core.run.directory import require_name
from simo2_core.settings import Setting, as_typed
from simo2_tui.screens.base import Line

FIRST = ("steps", "batch_size", "samples_per_class", "embedding_size", "learning_rate", "schedule", "optimizer", "seed")
"""The settings that are changed most, shown first; the others follow in the order of `Config`."""


HEADINGS = {"": "run", "data": "data", "augment": "augmentation", "model": "model", "objective": "objective",
            "optim": "optimiser", "tune": "fine-tuning"}  # fmt: skip
"""What stands over the settings of a section."""

NAME, NAME_HELP = "run-name", "What the run is called: letters, digits, '.', '_' and '-'."
"""The row above the settings: a run's name is no setting, and no other run has it."""

HELP_FROM = 60
"""Columns from which on a setting's description has room beside it; the line below the list always says it."""


def ordered_settings() -> list[Setting]:
    """All settings, those of `FIRST` in front."""
    known = {item.name: item for item in all_settings()}
    return [known[name] for name in FIRST] + [item for name, item in known.items() if name not in FIRST]


class SettingList(OptionList):
    """The settings to choose from."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "edit"),
        Binding("backspace", "editor_reset", "preset's value"),
    ]

    def action_editor_reset(self) -> None:
        """Hands the key to the editor around the list."""
        editor = self.parent
        if isinstance(editor, SettingsEditor):
            editor.reset()


class SettingsEditor(Vertical):
    """A list of settings, and one line in which the chosen one is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", show=False),
    ]

    class Changed(Message):
        """A setting has another value."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._base = Config()
        self._config = Config()
        self._settings = ordered_settings()
        self._wanted = ""
        self._edited: Setting | None = None
        self._naming = False
        self._candidate: Config | None = None
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
        yield Static(id="about", markup=False)
        yield Line(id="value", compact=True)

    def load(self, base: Config, config: Config) -> None:
        """Shows `config`; what differs from `base` is marked, and can be taken back."""
        self._base, self._config = base, config
        self._list()

    def _shown(self) -> list[Setting]:
        wanted = (item for item in self._settings if self._wanted in item.name or self._wanted in item.help.lower())
        return [item for item in wanted if self._config.has(item.name)]

    def _list(self) -> None:
        shown = self.query_one("#setting-list", OptionList)
        kept = shown.highlighted_option.id if shown.highlighted_option else None
        options: list[Option] = []
        heading = ""
        if self._wanted in "name":
            row = Text(no_wrap=True, overflow="ellipsis")
            row.append("* " if self.run_name else "  ", "bold yellow")
            row.append(f"{'name':<20} ")
            row.append(self.run_name or "automatic", "bold yellow" if self.run_name else "dim")
            options.append(Option(row, id=NAME))
        for item in self._shown():
            above = "most used" if item.name in FIRST else HEADINGS[item.section]
            if above != heading:
                options.append(Option(Text(above, "underline"), disabled=True))
                heading = above
            options.append(Option(self._row(item), id=item.name))
        shown.clear_options()
        shown.add_options(options)
        named = [option.id for option in options if option.id]
        if named:
            shown.highlighted = shown.get_option_index(kept if kept in named else named[0])

    def _row(self, item: Setting) -> Text:
        value = self._config.get(item.name)
        changed = not self._base.has(item.name) or value != self._base.get(item.name)
        row = Text(no_wrap=True, overflow="ellipsis")
        row.append("* " if changed else "  ", "bold yellow")
        row.append(f"{item.name:<20} ")
        row.append(f"{as_typed(value):<12} ", "bold yellow" if changed else "bold")
        row.append(item.help if self.size.width >= HELP_FROM else "", "dim")
        return row

    def on_resize(self) -> None:
        self._list()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        item = self._setting(event.option_id)
        if event.option_id == NAME and not self.has_class("-editing"):
            self.query_one("#about", Static).update(Text(NAME_HELP, "dim"))
        if item and self._edited is None:
            choices = f" ({', '.join(item.choices)})" if item.choices else ""
            self.query_one("#about", Static).update(Text(f"{item.flag}: {item.help}{choices}", "dim"))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        item = self._setting(event.option_id)
        if item:
            self._edit(item)
        elif event.option_id == NAME:
            self.ask_name()

    def _setting(self, name: str | None) -> Setting | None:
        return next((item for item in self._settings if item.name == name), None)

    def _edit(self, item: Setting) -> None:
        self._edited = item
        box = self.query_one("#value", Input)
        box.placeholder = item.name
        self.add_class("-editing")
        box.value = as_typed(self._config.get(item.name))
        self._judge(box.value)
        box.focus()

    def ask_name(self) -> None:
        """Asks what the run is to be called."""
        self._edited, self._naming = None, True
        box = self.query_one("#value", Input)
        box.placeholder = "name of the run; empty: of preset and time"
        self.add_class("-editing")
        box.value = self.run_name
        self._judge_name(box.value)
        box.focus()

    def _judge_name(self, text: str) -> bool:
        """Whether a run can have the name; says why not."""
        problem, name = "", text.strip()
        try:
            if name:
                require_name(name)
        except ConfigError as error:
            problem = str(error)
        if name and not problem and (self.run_dir / name).exists():
            problem = f"{self.run_dir / name} exists already."
        about = Text(problem, "red") if problem else Text(f"{NAME_HELP} Enter keeps, Esc cancels.", "green")
        self.query_one("#about", Static).update(about)
        self.query_one("#value").set_class(bool(problem), "-invalid")
        return not problem

    def ask_filter(self) -> None:
        """Asks for a part of a setting's name or description."""
        self._edited, self._naming = None, False
        box = self.query_one("#value", Input)
        box.placeholder = "part of a name, Enter keeps, Esc clears"
        self.add_class("-editing")
        box.value = self._wanted
        self.query_one("#about", Static).update(Text("find a setting", "dim"))
        box.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if not self.has_class("-editing"):
            return
        if self._naming:
            self._judge_name(event.value)
        elif self._edited is None:
            self._wanted = event.value.strip().lower().replace("-", "_")
            self._list()
        else:
            self._judge(event.value)

    def _judge(self, text: str) -> None:
        """Says at once whether what is typed can work."""
        item = self._edited
        assert item is not None
        about = self.query_one("#about", Static)
        try:
            self._candidate = self._config.replace({item.name: item.parse(text)})
        except ConfigError as error:
            self._candidate = None
            about.update(Text(str(error), "red"))
        else:
            about.update(Text(f"{item.flag}: {item.help}. Enter keeps, Esc cancels.", "green"))
        self.query_one("#value").set_class(self._candidate is None, "-invalid")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._naming:
            if self._judge_name(event.value):
                self.run_name = event.value.strip()
                self._close()
            else:
                self.app.bell()
        elif self._edited is None:
            self._close()
        elif self._candidate is None:
            self.app.bell()
        else:
            self._config = self._candidate
            self._close()
            self.post_message(self.Changed())

    def _close(self) -> None:
        self._edited = self._candidate = None
        self._naming = False
        self.remove_class("-editing")
        self.query_one("#value").remove_class("-invalid")
        self._list()
        self.query_one("#setting-list").focus()

    def action_cancel(self) -> None:
        """Leaves the line without taking what was typed."""
        if self.has_class("-editing"):
            if self._edited is None and not self._naming:
                self._wanted = ""
            self._close()

    def forget_name(self) -> None:
        """The next run gets a name of preset and time again."""
        self.run_name = ""
        self._list()

    def reset(self) -> None:
        """Takes the preset's value of the highlighted setting back."""
        shown = self.query_one("#setting-list", OptionList)
        item = self._setting(shown.highlighted_option.id) if shown.highlighted_option else None
        if item is None:
            if shown.highlighted_option is not None and shown.highlighted_option.id == NAME:
                self.forget_name()
            return
        try:
            self._config = self._config.replace({item.name: self._base.get(item.name)})
        except ConfigError as error:
            self.notify(str(error), severity="error")
            return
        self._list()
        self.post_message(self.Changed())

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        if event.widget.id == "value" and self.has_class("-editing"):
            self.action_cancel()
