"""`simo2 guide`: the manual, in the terminal."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from simo2_tui.cli.options import JsonOption

if TYPE_CHECKING:
    from rich.console import RenderableType


def guide_command(
    topic: Annotated[str | None, typer.Argument(metavar="TOPIC", help="A page; without one, they are listed.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a page of the manual: `simo2 guide start`.

    In a terminal a long page is paged (PAGER, else less); into a pipe it is plain text.
    """
    from simo2_tui.guide.pages import find_page, list_pages

    if topic is not None:
        page = find_page(topic)
        if as_json:
            print(json.dumps({"topic": page.topic, "about": page.about, "markdown": page.text}))
            return
        from simo2_tui.guide.render import GuideMarkdown

        _show(GuideMarkdown(page.text, styled=sys.stdout.isatty()))
        return
    pages = list_pages()
    if as_json:
        for page in pages:
            print(json.dumps({"topic": page.topic, "about": page.about}))
        print(json.dumps({"pages": len(pages)}))
        return
    from rich.text import Text

    wide = max(len(page.topic) for page in pages)
    lines = [Text.assemble((f"{page.topic:<{wide}}", "bold"), f"  {page.about}") for page in pages]
    _show(Text("\n").join([*lines, Text("simo2 guide TOPIC shows a page.", "dim")]))


def _show(content: RenderableType) -> None:
    """Prints what fits on the screen, or goes to a pipe; pages the rest."""
    from simo2_tui.cli.printing import make_console
    from simo2_tui.guide.render import WIDEST

    console = make_console()
    console = make_console(width=min(console.width, WIDEST))
    with console.capture() as captured:
        console.print(content)
    text = "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"
    if not (console.is_terminal and text.count("\n") >= shutil.get_terminal_size().lines and _paged(text)):
        print(text, end="")
        sys.stdout.flush()


def _paged(text: str) -> bool:
    """Hands the text to the user's pager; false where there is none."""
    try:
        pager = shlex.split(os.environ.get("PAGER") or "less")
    except ValueError:  # a quotation without its end
        return False
    if not pager or shutil.which(pager[0]) is None:
        return False
    # -R lets colours through; a page that fits after all ends at once
    environment = {"LESS": "-FRX", **os.environ}
    try:
        subprocess.run(pager, input=text.encode(errors="replace"), env=environment, check=False)
    except OSError:  # no program after all
        return False
    return True
