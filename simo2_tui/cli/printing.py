"""What commands print with colours and tables: no text is ever taken for markup, whoever wrote it."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import TextColumn
from rich.status import Status
from rich.text import Text


def make_console(**options: Any) -> Console:
    """A rich console that prints every text as it is written: `[old]` and `:x:` in a path stay what they are."""
    return Console(**{"highlight": False, **options, "markup": False, "emoji": False})


def text_column(text: str, style: str = "none") -> TextColumn:
    """A column of a progress bar with a text such as `{task.description}`, printed as it is written."""
    return TextColumn(text, style=style, markup=False)


class Doing:
    """A line that says what is being done, with a spinner, as long as it is entered."""

    def __init__(self, console: Console, text: str) -> None:
        self._status = Status(Text(text), console=console)

    def say(self, text: str) -> None:
        """Says something else from now on."""
        self._status.update(Text(text))

    def __enter__(self) -> Doing:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()
