"""Small windows over a screen: what to do with a run that lives, help, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from simo2_tui.screens.base import Modal
from simo2_tui.screens.guide import GuideScreen
from simo2_tui.widgets.options import Options
from simo2_tui.widgets.palette import ALERT, GOOD
from simo2_tui.widgets.view import glyphs_of, table_of

Choice = tuple[str, str, str, str]
"""(answer, key, label, what it means)."""

_DETACH: Choice = ("detach", "d", "detach", "train on with no screen; back with simo2 attach")
_CANCEL: Choice = ("cancel", "c", "cancel", "go on watching")
_SAVE = "take a checkpoint, then leave"

LEAVE = ("This run is still training.", (("save", "s", "stop and save", _SAVE), _DETACH, _CANCEL))
LEAVE_EARLY = (
    "No step has been taken yet: there is nothing to save.",
    (("save", "s", "stop", "leave at once; simo2 resume begins again"), _DETACH, _CANCEL),
)
STOP = (
    "Stop this run?",
    (("save", "s", "stop and save", "take a checkpoint, then end training"), _CANCEL),
)


class ChoiceDialog(Modal[str]):
    """A question; gives the answer, one of the first words of the choices. Esc gives `cancel`."""

    def __init__(self, question: str, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._question, self._choices = question, choices

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._question, classes="question", markup=False)
            yield Options(
                *[
                    Option(Text.assemble((f" {key} ", "bold reverse"), f"  {label:<14} ", (about, "dim")), id=word)
                    for word, key, label, about in self._choices
                ]
            )

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id or "cancel")

    def on_key(self, event: events.Key) -> None:
        keys = {"escape": "cancel", "q": self._choices[0][0], **{key: word for word, key, _, _ in self._choices}}
        if event.key in keys:
            event.stop()
            self.dismiss(keys[event.key])


Section = tuple[tuple[str, str], ...]

HELP: dict[str, Section] = {
    "launcher": (
        ("Enter", "on a preset: start; on a setting: edit; on a run: open it, live or as a replay"),
        ("Tab", "next list"), ("/", "find a setting"), ("Backspace", "take the preset's value back"),
        ("N", "name the run that is started next"),
        ("t", "take some steps now, to know how long it would take"),
        ("r", "go on with the chosen run, or with the newest unfinished one"),
    ),
    "training": (
        ("space", "pause, go on"), ("c", "checkpoint now"), ("s", "save plots"), ("e", "embed now"),
        ("S", "stop, with a checkpoint"), ("r", "go on with a run that nobody trains"),
        ("1-5", "choose a pane"), ("m", "maximise it"), ("u", "loss: sum, per pair, above its floor"),
        ("/", "filter the log"), ("v", "look at the plots here"), ("Y", "copy the scp line of the newest plot"),
    ),
    "chart": (
        ("y", "log axis"), ("+ -", "smoothing"), ("← →", "cursor, with shift ten times as far"),
        ("z Z", "zoom in and out"), ("f", "follow the newest step"),
        ("a", "all values, or the usual ones with arrows for those outside"),
    ),
    "scatter": (
        ("← → ↑ ↓", "pick a point; on the embedding screen also see the images nearest to it"),
        ("n p", "class by class"), ("i", "isolate a class"), ("b", "markers or braille dots"),
    ),
    "heat map": (("← → ↑ ↓", "choose a pair and read its cosine"), ("o", "in class order, or sorted anew by likeness")),
    "log": (
        ("↑ ↓", "look back, with PgUp and PgDn farther"), ("End", "the newest line"), ("/", "filter"),
        ("m", "the log on the whole screen"),
    ),
    "embedding": (
        (", .", "back and forth through the snapshots"), ("x", "PCA or t-SNE"), ("n p i", "class by class, isolate"),
        ("1-3", "choose a pane"),
    ),
    "runs": (
        ("Enter", "open, live or as a replay"), ("space", "mark: up to five are compared"),
        ("u", "loss, kNN or rank over steps"), ("o", "sort by age, name, state, kNN or loss"),
        ("/", "filter by name, state, data set or objective"), ("r", "go on with the run"),
    ),
    "everywhere": (
        ("q", "leave; while a run trains here: stop and save, detach, or cancel"), ("ctrl+p", "all commands"),
        ("Tab", "next pane"), ("Esc", "back"), ("E", "embedding; in a list, of the chosen run"),
        ("R", "runs"), ("?", "this help; g there opens the guide"),
    ),
}  # fmt: skip
"""Keys by where they work."""

FLAGS = (
    "Flags on the step axis: checkpoints grey, commands blue, warnings red, a resumed start green; "
    "on the throughput also compiling, white, and below it calls that waited for data."
)


SIGNS = (
    "Signs on the step axis: {flag} a command, a checkpoint or a resumed start, ! a warning; "
    "on the throughput also {flag} compiling, and below it {waiting} a call that waited for data."
)
"""The same where there are no colours."""


class HelpScreen(Modal[None]):
    """The keys that work where it was asked for, those of the pane in focus first; and the way to the guide."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss", "close"),
        Binding("g", "guide", "guide"),
    ]

    def __init__(self, sections: Sequence[str]) -> None:
        """Takes the names of the sections, in order."""
        super().__init__()
        self._sections = sections

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog help") as dialog:
            dialog.border_subtitle = "g the guide · Esc closes"
            for title in self._sections:
                yield Static(Text(title, "bold underline"), markup=False)
                keys = Table.grid(padding=(0, 2, 0, 0))
                keys.add_column(min_width=11, no_wrap=True)  # those of all sections end below each other
                keys.add_column()
                for key, meaning in HELP[title]:
                    keys.add_row(Text(f"  {key}", "bold"), Text(meaning))
                yield Static(keys, classes="keys", markup=False)
            if "training" in self._sections:
                glyphs = glyphs_of(self.app)
                signs = SIGNS.format(flag=glyphs.flag, waiting=glyphs.waiting)
                yield Static(Text(FLAGS if glyphs.colour else signs, "dim"), markup=False)

    def action_guide(self) -> None:
        """Opens the manual in place of the keys."""
        self.app.switch_screen(GuideScreen())


class FailureScreen(Modal[bool]):
    """Why training ended, what helps, and where the log is; gives whether to go back to before it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,space", "choose(False)", "look at the run"),
        Binding("g", "choose(True)", "go back"),
        Binding("q", "app.quit", "quit"),
    ]

    def __init__(self, reason: str, cure: str, log: Path | None, *, back: bool = False) -> None:
        """Takes what to say; `back` is whether going back is possible. A run that never began has left no log."""
        super().__init__()
        self._reason, self._cure, self._log, self._back = reason, cure, log, back

    def compose(self) -> ComposeResult:
        text, table = Text(), table_of(self.app)
        text.append("Training has ended.\n\n", f"bold {table[ALERT]}")
        text.append(f"{self._reason}\n\n")
        text.append(f"{self._cure}\n\n" if self._cure else "", table[GOOD])
        if self._log is not None and self._log.exists():
            text.append(f"Log: {self._log}\n\n", "dim")
        keys = "g goes back, " if self._back else ""
        text.append(f"{keys}Esc looks at what there is, q leaves.", "dim")
        with VerticalScroll(classes="dialog failure"):
            yield Static(text, markup=False)

    def action_choose(self, back: bool) -> None:
        """Closes, or closes to go back where that is possible."""
        if self._back or not back:
            self.dismiss(back)
