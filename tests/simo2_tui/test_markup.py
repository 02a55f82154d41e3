"""No text of a user's is ever markup: not a path, not a class's name, not what a filter is given."""

import ast
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.progress import Progress
from rich.table import Table
from textual.widgets import DataTable

import simo2_tui
from simo2_core.presets import PRESETS
from simo2_tui.app import Console
from simo2_tui.cli.display import RichDisplay
from simo2_tui.cli.printing import Doing, make_console, text_column
from simo2_tui.screens.runs import RunsScreen
from tests.simo2_tui.recorded import started, write_run
from tests.simo2_tui.screen_text import text_of, until

HOSTILE = "photos [old] [/x] :x: [bold]"

SOURCES = sorted(Path(simo2_tui.__file__).parent.rglob("*.py"))


def test_rich_prints_every_text_as_it_is_written() -> None:
    out = io.StringIO()
    console = make_console(file=out, width=200, force_terminal=True)
    table = Table(HOSTILE, title=HOSTILE)
    table.add_row(HOSTILE)
    console.print(HOSTILE, table)
    with Progress(text_column("{task.description}", "bold"), console=console) as bars:
        bars.add_task(HOSTILE)
    with Doing(console, HOSTILE) as doing:
        doing.say(f"{HOSTILE} again")
        console.print("under it")
    assert out.getvalue().count(HOSTILE) >= 6


def test_a_run_in_a_folder_with_brackets_is_shown_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    config = PRESETS["digits"].config.replace({"dataset": HOSTILE})
    run = write_run(tmp_path / HOSTILE)
    with (display := RichDisplay(config)):
        display.show(started(run, 10))
    display.summary(run)
    assert f"run {tmp_path / HOSTILE}" in capsys.readouterr().out


async def test_the_console_shows_brackets_in_names_messages_and_filters(tmp_path: Path) -> None:
    run = write_run(tmp_path, upto=280)
    (run.path).rename(tmp_path / "[old] [x]")
    app = Console(tmp_path)
    async with app.run_test(size=(160, 45), notifications=True) as pilot:
        await app.push_screen(RunsScreen(tmp_path))
        await until(pilot, lambda: app.screen.query_one(DataTable).row_count == 1)
        await pilot.pause()
        assert "[old] [x]" in text_of(app)
        app.notify("no [/old] there")
        await until(pilot, lambda: "no [/old] there" in text_of(app))
        await pilot.press("slash", *"[/old")
        await until(pilot, lambda: "runs with [/old" in text_of(app))


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name:
                yield f"{path.name}:{node.lineno}", node


def test_consoles_and_columns_are_made_in_one_place() -> None:
    own = ("printing.py", "app.py", "console.py")  # the last two make the console of textual, which is another
    for name in ("Console", "TextColumn", "Status", "status"):
        assert [at for at, _ in calls(name) if not at.startswith(own)] == []


def test_what_textual_takes_for_markup_is_never_given_to_it() -> None:
    for name in ("Static", "Label"):
        for at, call in calls(name):
            assert any(word.arg == "markup" for word in call.keywords), f"{at}: give it markup=False"
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith(
                (".border_title", ".border_subtitle")
            ):
                fixed = isinstance(node.value, ast.Constant) or ast.unparse(node.value).startswith("Content(")
                assert fixed, f"{path.name}:{node.lineno}: give it Content(…), which is never markup"
