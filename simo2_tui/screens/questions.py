"""One line of text that asks for something, and says at once whether what is typed can work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from simo2_core.config import Config
from simo2_core.errors import ConfigError, PartError
from simo2_core.run.directory import require_name
from simo2_core.settings import Setting, as_typed
from simo2_tui.screens.base import Line
from simo2_tui.screens.layout import NARROWEST
from simo2_tui.widgets.palette import ALERT, GOOD
from simo2_tui.widgets.view import table_of

NAME_HELP = "What the run is called: letters, digits, '.', '_' and '-'."


class Question:
    """The base of what can be asked for."""

    prompt = ""
    """Stands in the line while it is empty."""
    about = ""
    """Said above the line while what is typed can work."""
    start = ""
    """What is in the line at first."""

    def problem(self, text: str) -> str:
        """Why what is typed cannot be kept; empty where it can."""
        return ""

    def typed(self, text: str) -> None:
        """Takes every change at once."""

    def keep(self, text: str) -> None:
        """Takes what can work, when Enter is pressed."""

    def cancel(self) -> None:
        """Hears that nothing is to be taken."""


class ValueQuestion(Question):
    """Asks for the value of a setting."""

    def __init__(self, setting: Setting, config: Config, take: Callable[[Config], None]) -> None:
        self._setting, self._config, self._take = setting, config, take
        self.prompt = setting.name
        self.about = f"{setting.flag}: {setting.help}. Enter keeps, Esc cancels."
        self.start = as_typed(config.get(setting.name))

    def _with(self, text: str) -> Config:
        value = {self._setting.name: self._setting.parse(text)}
        return self._config.replace(value) if self._setting.name == "recipe" else self._config.given(value)

    def problem(self, text: str) -> str:
        try:
            self._with(text)
        except (ConfigError, PartError) as error:
            return str(error)
        return ""

    def keep(self, text: str) -> None:
        self._take(self._with(text))


class NameQuestion(Question):
    """Asks what a run is to be called."""

    prompt = "name of the run; empty: of preset and time"
    about = f"{NAME_HELP} Enter keeps, Esc cancels."

    def __init__(self, name: str, run_dir: Path, take: Callable[[str], None]) -> None:
        self.start, self._run_dir, self._take = name, run_dir, take

    def problem(self, text: str) -> str:
        name = text.strip()
        if not name:
            return ""
        try:
            require_name(name)
        except ConfigError as error:
            return str(error)
        there = self._run_dir / name
        return f"{there} exists already." if there.exists() else ""

    def keep(self, text: str) -> None:
        self._take(text.strip())


class FilterQuestion(Question):
    """Asks for a part of a setting's name or description."""

    prompt = "part of a name, Enter keeps, Esc clears"
    about = "find a setting"

    def __init__(self, wanted: str, take: Callable[[str], None]) -> None:
        self.start, self._take = wanted, take

    def typed(self, text: str) -> None:
        self._take(text.strip().lower().replace("-", "_"))

    def cancel(self) -> None:
        self._take("")


class QuestionLine(Vertical):
    """What is to be said, and below it, while something is asked, the line."""

    def __init__(self, answered: Callable[[], None]) -> None:
        """Makes a line that asks nothing yet; `answered` is called whenever a question is over, whatever its end."""
        super().__init__()
        self._answered = answered
        self._question: Question | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="about", markup=False)
        yield Line(id="value", compact=True)

    @property
    def asking(self) -> bool:
        """Whether the line is there."""
        return self._question is not None

    def say(self, words: str, style: str = "dim") -> None:
        """Says something above the line."""
        self.query_one("#about", Static).update(Text(words, style))

    def ask(self, question: Question) -> None:
        """Shows the line and gives it the keys; where it is hidden, which would take them unseen, says so instead."""
        if not self.region.area:
            here, least = ("×".join(map(str, size)) for size in (self.app.size, NARROWEST))
            cure = "Make it larger, or give settings and --name to simo2 tui."
            self.notify(f"A terminal of {here} has no room to type in; {least} has. {cure}", timeout=8)
            return
        self._question = question
        box = self.query_one("#value", Input)
        box.placeholder, box.value = question.prompt, question.start
        self.add_class("-asking")
        self._judge(box.value)
        box.focus()

    def _judge(self, text: str) -> bool:
        """Whether what is typed can be kept; says why not."""
        assert self._question is not None
        problem = self._question.problem(text)
        self.say(problem or self._question.about, table_of(self.app)[ALERT if problem else GOOD])
        self.query_one("#value").set_class(bool(problem), "-invalid")
        return not problem

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._question is not None:
            self._question.typed(event.value)
            self._judge(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        question = self._question
        if question is None or not self._judge(event.value):
            self.app.bell()
            return
        question.keep(event.value)
        self._close()

    def on_line_left(self, event: Line.Left) -> None:
        event.stop()
        self._cancel()

    def _cancel(self) -> None:
        """Leaves the line without taking what was typed."""
        if self._question is not None:
            self._question.cancel()
            self._close()

    def _close(self) -> None:
        self._question = None
        self.remove_class("-asking")
        self.query_one("#value").remove_class("-invalid")
        self._answered()

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        self._cancel()
