"""Markdown drawn for a terminal: what Rich does, with links and pictures that mean something there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement, TableElement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

WIDEST = 100
"""Columns: longer lines are hard to read."""

_AROUND_ROWS = 4
"""Lines of a table besides its rows: the header, the rule below it, and a blank line at either end."""


_STYLES = Theme({"markdown.code": "cyan", **{f"markdown.h{level}": "none" for level in range(1, 8)}})
"""Rich puts code on black, also where the terminal is light, and makes headings pink."""


class _PlainHeading(Heading):
    """A heading at the left, where Rich centres the first one."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = self.text.copy()
        line.stylize("bold underline" if self.tag in ("h1", "h2") else "bold")
        yield line


class _PlainCode(CodeBlock):
    """A block of code, indented where there is room, on no ground of its own; what is typed is bold."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        typed = "bold" if self.lexer_name == "console" else ""
        lines = [Text(line, typed if line.startswith("$ ") else "") for line in str(self.text).rstrip().split("\n")]
        code = Text("\n").join(lines)
        room = options.max_width - code.__rich_measure__(console, options).maximum
        yield Padding(code, (0, 0, 0, max(0, min(2, room))))


class _OpenTable(TableElement):
    """A table that loses no text, and whose rows stand apart where one of them takes several lines."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in super().__rich_console__(console, options):
            if isinstance(part, Table):
                for column in part.columns:
                    column.overflow = "fold"  # a long word goes on in the next line, where Rich cuts it
                lines = console.render_lines(part, options, pad=False)
                part.leading = int(len(lines) > len(part.rows) + _AROUND_ROWS)
            yield part


class GuideMarkdown(Markdown):
    """A page of the guide.

    A link to another page names the command that shows it, any other link its address. A picture is told by what it
    shows: the pictures are in the repository, not in the package.
    """

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _PlainHeading,
        "fence": _PlainCode,
        "code_block": _PlainCode,
        "table_open": _OpenTable,
    }

    def __init__(self, text: str, *, styled: bool = True) -> None:
        """Takes the page; without styles, what is typed keeps its backticks."""
        super().__init__(text, hyperlinks=False)
        for token in self.parsed:
            if token.children:
                token.children = list(_for_a_terminal(token.children, styled))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with console.use_theme(_STYLES):
            yield from list(super().__rich_console__(console, options))


def _for_a_terminal(tokens: Iterable[Token], styled: bool) -> Iterable[Token]:
    target = ""
    for token in tokens:
        if token.type == "link_open":
            target = str(token.attrs.get("href", ""))
        elif token.type == "link_close":
            yield _text(_where(target))
        elif token.type == "image":
            yield _text(f"[picture: {token.content}]")
        elif token.type == "code_inline" and not styled:
            yield _text(f"`{token.content}`")
        else:
            yield token


def _where(target: str) -> str:
    if target.startswith("#"):
        return ""
    page = target.partition("#")[0]
    if page.endswith(".md") and "/" not in page:
        return f" (simo2 guide {page.removesuffix('.md')})"
    return f" ({target})"


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)
