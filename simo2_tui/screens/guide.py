"""The manual inside the console: the list of pages, and one page."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from simo2_tui.guide.pages import list_pages
from simo2_tui.guide.render import GuideMarkdown
from simo2_tui.screens.base import Modal
from simo2_tui.widgets.options import Options


class GuideScreen(Modal[None]):
    """Enter on a topic shows its page; Esc goes back to the list, and from the list to where one was."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "turn(1)", "next page"),
        Binding("p", "turn(-1)", "previous page"),
        Binding("escape,backspace", "back", "back"),
        Binding("q,question_mark", "dismiss", "close"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._pages = list_pages()
        self._shown: int | None = None

    def compose(self) -> ComposeResult:
        wide = max(len(page.topic) for page in self._pages)
        yield Options(
            *[
                Option(Text.assemble((f"{page.topic:<{wide}}", "bold"), f"  {page.about}"), id=page.topic)
                for page in self._pages
            ],
            id="topics",
        )
        with VerticalScroll(id="reader"):
            yield Static(id="page", markup=False)

    def on_mount(self) -> None:
        self._show_list()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self._show_page(event.option_index)

    def action_turn(self, by: int) -> None:
        """Shows the next or the previous page."""
        at = self._shown if self._shown is not None else self.query_one(OptionList).highlighted or 0
        self._show_page(at if self._shown is None else (at + by) % len(self._pages))

    def action_back(self) -> None:
        """From a page to the list; from the list back to the screen below."""
        if self._shown is None:
            self.dismiss()
        else:
            self._show_list()

    def _show_list(self) -> None:
        topics, reader = self.query_one(OptionList), self.query_one("#reader")
        if self._shown is not None:
            topics.highlighted = self._shown
        self._shown = None
        topics.display, reader.display = True, False
        topics.border_title = " guide "
        topics.border_subtitle = " Enter reads · Esc closes · in a shell: simo2 guide TOPIC "
        topics.focus()

    def _show_page(self, index: int) -> None:
        self._shown = index
        page = self._pages[index]
        topics, reader = self.query_one(OptionList), self.query_one("#reader", VerticalScroll)
        topics.display, reader.display = False, True
        self.query_one("#page", Static).update(GuideMarkdown(page.text))
        reader.border_title = Content(f" {page.topic} ")  # a border without sides leaves no blank
        reader.border_subtitle = " ↑ ↓ PgUp PgDn move · n p next, previous · Esc pages "
        reader.scroll_home(animate=False)
        reader.focus()
