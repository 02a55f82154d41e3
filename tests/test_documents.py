"""README and the guide say what is so: their links lead somewhere, their commands exist, and what they show is shown.

Words behind an opening fence that ask for more than that:
    ```console runs          the commands are run beside a small run called demo; `…` stands for anything
    ```console runs masked   the same, with every number taken for equal
"""

from __future__ import annotations

import ast
import functools
import importlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from simo2_core.config import all_settings
from simo2_core.errors import INTERRUPTED, Simo2Error
from simo2_tui.cli.main import app
from simo2_tui.cli.own_parts import WITH
from simo2_tui.guide.pages import list_pages
from tests.documents import (
    DOCUMENTS,
    GUIDE,
    ROOT,
    Command,
    Fence,
    commands,
    fences,
    headings,
    inline_code,
    links,
    simo2_in,
    tables,
    tokens,
)
from tests.documents import shown_in as commands_of
from tests.simo2_core.data.sources import written
from tests.tiny import options

OF_OTHERS = {"--logdir", "--output", "--signal"}
"""Options between backticks that belong to other programs."""


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


def test_readme_is_short_enough_to_be_finished() -> None:
    assert (ROOT / "README.md").stat().st_size <= 12_000


def test_the_changelog_begins_with_what_is_not_released() -> None:
    text = (ROOT / ".github" / "CHANGELOG.md").read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[0] == "Unreleased"


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_and_pictures_lead_to_what_is_there(document: Path) -> None:
    for target in links(document):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        goal = (document.parent / path).resolve() if path else document
        assert goal.is_relative_to(ROOT), f"{target} leads out of the repository"
        assert goal.exists(), target
        assert not anchor or anchor in headings(goal), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_no_line_of_a_paragraph_begins_like_a_list(document: Path) -> None:
    """A sentence that is wrapped before "1." is drawn as a list of one item."""
    items: list[int] = []
    for token in tokens(document):
        if token.type == "ordered_list_open":
            items.append(0)
            begin = token.map
        elif token.type == "list_item_open" and token.info:  # which only those of numbered lists have
            items[-1] += 1
        elif token.type == "ordered_list_close":
            assert items.pop() > 1, begin


def test_every_picture_is_shown_somewhere() -> None:
    shown = {(document.parent / target).resolve() for document in DOCUMENTS for target in links(document)}
    assert set((ROOT / ".github" / "images").iterdir()) - shown == set()


def test_every_page_is_listed_and_named_by_its_first_line() -> None:
    assert [f"{page.topic}.md" for page in list_pages()].count("README.md") == 0
    assert sorted(f"{page.topic}.md" for page in list_pages()) == sorted(
        path.name for path in GUIDE.glob("*.md") if path.name != "README.md"
    )
    for page in list_pages():
        assert page.text.startswith("# "), page.topic


def test_help_and_guide_name_the_exit_codes_that_there_are() -> None:
    kinds, codes = [Simo2Error], {0, INTERRUPTED}
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        codes.add(kind.exit_code)
    page = (GUIDE / "exit-codes.md").read_text()
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == codes
    assert {int(code) for code in re.findall(r"\d+", str(parser().epilog))} == codes


def test_the_drawing_of_the_house_has_every_room() -> None:
    drawing = next(fence.text for fence in fences(ROOT / ".github" / "CONTRIBUTING.md") if "simo2_core/" in fence.text)
    for house in ("simo2_core", "simo2_tui"):
        rooms = [path.parent.name for path in (ROOT / house).glob("*/__init__.py")]
        assert [room for room in rooms if f" {room}/" not in drawing] == []


@functools.cache
def parser() -> Any:
    """The command line as it is, but that commands only give back what they were asked."""
    group = get_command(app)

    def disarm(command: Any) -> None:
        for inner in getattr(command, "commands", {}).values():
            disarm(inner)
        if not hasattr(command, "commands"):
            command.callback = lambda **asked: asked

    disarm(group)
    return group


def read(arguments: Sequence[str]) -> dict[str, Any]:
    """What the command line takes these arguments for; fails where they cannot be typed."""
    asked = parser().main(list(arguments), prog_name="simo2", standalone_mode=False)
    asked = asked if isinstance(asked, dict) else {}
    for item in all_settings():
        text = asked.get(item.name)
        if isinstance(text, str) and not re.fullmatch(r"[A-Z_]+|\$.*", text):
            item.parse(text)
    return asked


def names_a_command(arguments: Sequence[str]) -> bool:
    """Whether these are the words of a command and nothing else: prose may name it without its arguments."""
    place = parser()
    for word in arguments:
        place = getattr(place, "commands", {}).get(word)
        if place is None:
            return False
    return True


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_commands_can_be_typed(document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMO2_DEBUG", "")
    for command in commands(document):
        arguments = [word for word in command.arguments if word not in ("--debug", "--help", "$@")]
        if WITH in arguments:  # taken before the command line is read
            del arguments[(at := arguments.index(WITH)) : at + 2]
        if names_a_command(arguments) or (arguments and arguments[0] in ("COMMAND", "--version")):
            continue
        try:
            read(arguments)
        except Exception as error:
            raise AssertionError(f"{command.where}: simo2 {' '.join(arguments)}: {error}") from error


def test_whatever_a_run_survives_is_shown_by_a_command() -> None:
    page = GUIDE / "survive.md"
    header, *rows = tables(page)[0]
    assert header[-1] == "what shows it"
    assert len(rows) > 30
    for row in rows:
        typed = re.findall(r"`([^`]+)`", row[-1])
        assert typed, row[0]
        for line in typed:
            named = re.fullmatch(r"pytest (\S+)", line)
            assert simo2_in(line) or (named and (ROOT / named[1]).is_file()), f"{row[0]}: {line}"
            for arguments in simo2_in(line):
                assert arguments[0] in parser().commands, line


@functools.cache
def every_option() -> frozenset[str]:
    places, names = [parser()], set()
    while places:
        place = places.pop()
        places += getattr(place, "commands", {}).values()
        names |= {name for option in place.params for name in (*option.opts, *option.secondary_opts)}
    return frozenset(names)


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_options_exist(document: Path) -> None:
    for where, text in inline_code(document):
        if text.startswith("--"):
            for option in re.findall(r"--[a-z][\w-]*", text):
                assert option.replace("_", "-") in every_option() | OF_OTHERS, f"{where}: {option}"


SMALL = ["--steps", "2", "--eval-every", "2", "--log-rate", "1", *options({"stem_width": 4, "widths": 8})]
"""What makes the run of the pages one of seconds."""

PYTHON = [fence for document in DOCUMENTS for fence in fences(document) if fence.words[:1] == ("python",)]


@pytest.mark.parametrize("fence", PYTHON, ids=lambda fence: f"{fence.document.stem}-{fence.line}")
def test_python_can_be_read_and_what_it_imports_is_there(fence: Fence) -> None:
    for line in ast.walk(ast.parse(fence.text)):
        if isinstance(line, ast.ImportFrom) and str(line.module).startswith("simo2"):
            place = importlib.import_module(str(line.module))
            assert all(hasattr(place, name.name) for name in line.names), ast.unparse(line)


RUNNING = [fence for document in DOCUMENTS for fence in fences(document) if "runs" in fence.words]


@pytest.fixture(scope="module")
def beside_a_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The working directory is one that holds a small run called demo; gives what training it printed."""
    folder = tmp_path_factory.mktemp("documents")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, format in (("table", "csv"), ("hub", "parquet"), ("saved", "saved"), ("shards", "shards_with_json"),
                             ("arrays", "packed_npz")):  # fmt: skip
            written.FORMATS[format](folder / "pets" / name)
        written.mnist(folder / "data")
        patch.setenv("COLUMNS", "80")
        patch.setattr("simo2_core.train.plotting.Plotter.request", lambda self, step, *, last=False: None)
        command = next(one for fence in RUNNING for one in commands_of(fence) if one.arguments[0] == "train")
        yield run((*command.arguments, *SMALL))


def run(arguments: Sequence[str]) -> str:
    return CliRunner().invoke(app, arguments, prog_name="simo2").output


@pytest.mark.parametrize("fence", RUNNING, ids=lambda fence: f"{fence.document.stem}-{fence.line}")
def test_what_is_shown_is_printed(fence: Fence, beside_a_run: str) -> None:
    for command in commands_of(fence):
        begins = command.arguments[0] == "train" and "demo" in command.arguments
        printed = beside_a_run if begins else run(command.arguments)
        assert matches(command, printed, masked="masked" in fence.words), printed


def matches(command: Command, printed: str, *, masked: bool) -> bool:
    """Whether the output is as shown, but for line breaks and what `…` stands for."""
    shown, printed = (re.sub(r"\s+", " ", text).strip() for text in (command.shown, printed))
    if masked:
        shown, printed = (re.sub(r"\d[\d.,]*(e[+-]\d+)?", "0", text) for text in (shown, printed))
    return re.fullmatch(".*".join(map(re.escape, re.split(" ?… ?", shown))), printed) is not None
