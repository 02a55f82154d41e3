"""What every screen of the console has: its size class, and nothing done before it is composed or after it is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.widget import Widget
from textual.widgets import Input

from simo2_tui.screens.layout import size_class

SIZES = ("wide", "medium", "narrow", "tiny")


class Line(Input):
    """A line of text; Enter keeps it, Esc leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "keep"),
        Binding("escape", "leave", "cancel"),
    ]

    class Left(Message):
        """What was typed is not wanted."""

    def action_leave(self) -> None:
        self.post_message(self.Left())


class Modal(ModalScreen[ScreenResultType]):
    """A screen over another. No key of the app reaches it, so it has those that leave from everywhere itself."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c,ctrl+q", "app.quit", "quit", show=False)]


class ConsoleScreen(Screen[None]):
    """A screen that may be replaced at any time, also before its widgets are there.

    Keys and timers reach a screen through the app, which does not wait until the screen is composed. So what a
    subclass does at the start is in `begin`, and what it draws is in `draw_new`: both are called only while its
    widgets are there, and so are its actions.
    """

    AUTO_FOCUS = ""
    """`begin` says what has the keys."""

    SECTION = ""
    """Which section of the help tells its keys."""

    FOCUS_FIRST = ""
    """What has the keys at the start, and again when what had them is hidden."""

    NOT_WHILE_TYPING: ClassVar[frozenset[str]] = frozenset({"filter"})
    """Actions whose keys a line of text takes for itself, beside those that Textual knows to be letters."""

    @property
    def idle_actions(self) -> frozenset[str]:
        """Actions whose keys do no more now than say why not: they are not offered."""
        return frozenset()

    _begun = False

    @property
    def ready(self) -> bool:
        """Whether its widgets are there."""
        return self._begun and self._stacked

    @property
    def _stacked(self) -> bool:
        """Whether the app still has it: one that was replaced loses its widgets, or never gets all of them.

        An app that ends takes the widgets away before it takes the screen out of its stack.
        """
        return self.app.is_running and any(screen is self for screen in self.app.screen_stack)

    def on_mount(self) -> None:
        if self._stacked:
            self._begun = True
            self.begin()

    def begin(self) -> None:
        """What is done once, when the widgets are there."""

    def poll(self) -> None:
        """Draws what is new. Called a few times a second, and after every key that changes the picture."""
        if self.ready:
            self.draw_new()

    def draw_new(self) -> None:
        """What `poll` does."""

    def if_ready(self, call: Callable[..., object], *arguments: Any) -> None:
        """Calls, unless the screen has gone meanwhile: for what a thread has found out."""
        if self.ready:
            call(*arguments)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.ready and not (isinstance(self.focused, Input) and action in self.NOT_WHILE_TYPING)

    def on_resize(self, event: events.Resize) -> None:
        kind = size_class(event.size.width, event.size.height)
        for name in SIZES:
            self.set_class(name == kind, f"-{name}")
        if self.ready:
            had = self.focused
            self.resized(event)
            self.call_after_refresh(self._keep_focus, had)

    def resized(self, event: events.Resize) -> None:
        """What else another size changes."""

    def _keep_focus(self, had: Widget | None) -> None:
        """When what had the keys is hidden now, gives them to what is shown instead: Textual gives them to anything."""
        hidden = had is not None and not (had.is_attached and had.region.area)
        if self.ready and (hidden or self.focused is None):
            self.query_one(self.focus_target()).focus()

    def focus_target(self) -> str:
        """What is to have the keys when what had them is not shown any more."""
        return self.FOCUS_FIRST
