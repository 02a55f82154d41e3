"""What commands print with colours and tables: no text is ever taken for markup, whoever wrote it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
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


@contextlib.contextmanager
def telling(as_json: bool) -> Iterator[Callable[[str], None]]:
    """What is being measured: a line that passes on a terminal, JSON when asked for, nothing in a pipe."""
    if as_json:
        yield lambda what: print(json.dumps({"event": "measuring", "what": what}), flush=True)
        return
    console = make_console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda _: None
        return
    with Doing(console, "reading") as doing:
        yield doing.say
