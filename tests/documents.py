"""README and the pages taken apart: links, code, and the commands in them."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "simo2_tui" / "guide"
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / ".github").glob("*.md")), *sorted(GUIDE.glob("*.md")))
"""What is held to: all that a user or a contributor reads."""

WIDEST_CODE = 79
"""Columns of a line of code in the guide: what the console has for it on 80 columns."""


@dataclass(frozen=True)
class Fence:
    """A block of code."""

    document: Path
    line: int
    words: tuple[str, ...]
    """What stands behind the opening fence: the language, then words for the tests."""
    text: str


@dataclass(frozen=True)
class Command:
    """One `simo2` command as a page shows it."""

    where: str
    arguments: tuple[str, ...]
    shown: str = ""
    """The output below it."""


def tokens(document: Path) -> Iterator[Token]:
    """Every token of a document, those inside paragraphs too, with the line where it or its paragraph begins."""
    for token in MarkdownIt().enable("table").parse(document.read_text()):
        yield token
        for child in token.children or ():
            child.map = token.map
            yield child


def links(document: Path) -> list[str]:
    """Where its links and pictures point."""
    found = [token.attrs.get("href") or token.attrs.get("src") for token in tokens(document)]
    return [str(target) for target in found if target]


def headings(document: Path) -> set[str]:
    """The anchors of its headings, as a repository's web page names them."""
    every = list(tokens(document))
    inside = [after.content for before, after in itertools.pairwise(every) if before.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in inside}


def fences(document: Path) -> list[Fence]:
    """Its blocks of code."""
    return [
        Fence(document, (token.map or [0])[0] + 1, tuple(token.info.split()), token.content)
        for token in tokens(document)
        if token.type == "fence"
    ]


def inline_code(document: Path) -> list[tuple[str, str]]:
    """What stands between backticks, with where."""
    return [
        (f"{document.name}:{(token.map or [0])[0] + 1}", token.content)
        for token in tokens(document)
        if token.type == "code_inline"
    ]


def tables(document: Path) -> list[list[list[str]]]:
    """Its tables: rows of cells as they are written, the first of them the header."""
    found: list[list[list[str]]] = []
    inside = False
    for token in tokens(document):
        inside = inside or token.type == "table_open"
        if token.type == "table_open":
            found.append([])
        elif token.type == "table_close":
            inside = False
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and inside:
            found[-1][-1].append(token.content)
    return found


def commands(document: Path) -> list[Command]:
    """Every `simo2` command: those of its blocks with what they print, and those between backticks."""
    found = [Command(where, one) for where, text in inline_code(document) for one in simo2_in(text)]
    for fence in fences(document):
        if fence.words[:1] in (("sh",), ("bash",), ("console",)):
            found += shown_in(fence)
    return found


def shown_in(fence: Fence) -> list[Command]:
    """The `simo2` commands of a block, in order. In a `console` a command begins with `$ `; else every line is one."""
    prompted = fence.words[0] == "console"
    lines = fence.text.replace("\\\n", " ").splitlines()
    found: list[Command] = []
    output: list[str] = []
    for line in [*lines, "$ "]:
        if prompted and not line.startswith("$ "):
            output.append(line)
            continue
        if found and prompted:
            found[-1] = Command(found[-1].where, found[-1].arguments, "\n".join(output))
        output = []
        where = f"{fence.document.name}:{fence.line}"
        found += [Command(where, arguments) for arguments in simo2_in(line.removeprefix("$ ") if prompted else line)]
    return found


def simo2_in(line: str) -> list[tuple[str, ...]]:
    """The arguments of each `simo2` on a line of shell."""
    reader = shlex.shlex(line, posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    try:
        words = list(reader)
    except ValueError:  # a quote that is no quote: prose
        return []
    parts: list[list[str]] = [[]]
    for word in words:
        if set(word) <= set("();<>|&"):
            parts.append([])
        else:
            parts[-1].append(word)
    found = []
    for part in parts:
        for position, word in enumerate(part):
            if word == "simo2" or word.endswith("/simo2"):
                found.append(tuple(word for word in part[position + 1 :] if word != "…"))
                break
    return found
