"""Small windows over a screen: what to do with a run that lives, help, and what went wrong."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

LEAVE = (
    ("save", "s", "stop and save", "take a checkpoint, then leave"),
    ("detach", "d", "detach", "keep training without a screen; come back with simo2 attach"),
    ("cancel", "c", "cancel", "go on watching"),
)


class LeaveDialog(ModalScreen[str]):
    """Asks what becomes of the training; gives `save`, `detach` or `cancel`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *[Binding(key, f"choose('{word}')", label) for word, key, label, _ in LEAVE],
        Binding("q", "choose('save')", "stop and save", show=False),
        Binding("escape", "choose('cancel')", "cancel", show=False),
    ]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("This run is still training.", classes="question")
            yield OptionList(
                *[
                    Option(Text.assemble((f" {key} ", "bold reverse"), f"  {label:<14} ", (about, "dim")), id=word)
                    for word, key, label, about in LEAVE
                ]
            )

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id or "cancel")

    def action_choose(self, word: str) -> None:
        """Closes with the answer."""
        self.dismiss(word)


HELP: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "everywhere",
        (("q", "leave; while a run lives: stop and save, detach, or cancel"), ("ctrl+p", "all commands"),
         ("Tab", "next pane"), ("Esc", "back"), ("E", "embedding"), ("R", "runs"), ("?", "this help")),
    ),
    (
        "training",
        (("space", "pause, go on"), ("c", "checkpoint now"), ("s", "save plots"), ("e", "embed now"),
         ("1-5", "choose a pane"), ("m", "maximise it"), ("u", "loss: sum, per pair, above its floor"),
         ("/", "filter the log"), ("v", "look at the plots here"), ("Y", "copy the scp line of the newest plot")),
    ),
    (
        "charts",
        (("y", "log axis"), ("+ -", "smoothing"), ("← →", "cursor, with shift ten times as far"),
         ("z Z", "zoom in and out"), ("f", "follow the newest step")),
    ),
    (
        "embedding",
        (("n p", "class by class"), ("i", "isolate a class"), ("b", "markers or braille dots"),
         (", .", "back and forth through the snapshots"), ("x", "PCA or t-SNE"),
         ("← → ↑ ↓", "pick a point, see the images nearest to it; on the heat map a pair"),
         ("o", "heat map: sorted, or in class order")),
    ),
)  # fmt: skip


class HelpScreen(ModalScreen[None]):
    """All keys on one page."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark", "dismiss", "close")]

    def compose(self) -> ComposeResult:
        text = Text()
        for title, keys in HELP:
            text.append(f"{title}\n", "bold underline")
            for key, meaning in keys:
                text.append(f"  {key:<9}", "bold")
                text.append(f"{meaning}\n")
            text.append("\n")
        text.append(
            "Flags on the step axis: checkpoints grey, commands blue, warnings red, a resumed start green; "
            "on the throughput also compiling, white, and below it calls that waited for data.",
            "dim",
        )
        with VerticalScroll(classes="dialog help"):
            yield Static(text)


class FailureScreen(ModalScreen[bool]):
    """Why training ended, what helps, and where the log is; gives whether to go back to before it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,space", "choose(False)", "look at the run"),
        Binding("g", "choose(True)", "go back"),
    ]

    def __init__(self, reason: str, cure: str, log: str, *, back: bool = False) -> None:
        """Takes what to say; `back` is whether going back is possible."""
        super().__init__()
        self._reason, self._cure, self._log, self._back = reason, cure, log, back

    def compose(self) -> ComposeResult:
        text = Text()
        text.append("Training has ended.\n\n", "bold red")
        text.append(f"{self._reason}\n\n")
        text.append(f"{self._cure}\n\n" if self._cure else "", "green")
        text.append(f"Log: {self._log}\n\n", "dim")
        keys = "g goes back, " if self._back else ""
        text.append(f"{keys}Esc looks at what there is, q leaves.", "dim")
        with VerticalScroll(classes="dialog failure"):
            yield Static(text)

    def action_choose(self, back: bool) -> None:
        """Closes, or closes to go back where that is possible."""
        if self._back or not back:
            self.dismiss(back)
