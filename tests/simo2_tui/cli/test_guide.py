"""`simo2 guide`: every page, in a pipe and in a terminal."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from simo2_tui.cli.main import app
from simo2_tui.guide.pages import find_page, list_pages
from tests.documents import GUIDE, WIDEST_CODE, fences

TOPICS = [page.topic for page in list_pages()]


def simo2(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, arguments, prog_name="simo2")
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("topic", [None, *TOPICS])
def test_every_page_is_plain_text_of_80_columns_in_a_pipe(topic: str | None) -> None:
    code, out, _ = simo2("guide", *([topic] if topic else []))
    assert code == 0
    assert "\x1b" not in out
    assert max(map(cell_len, out.splitlines())) <= 80
    assert all(line == line.rstrip() for line in out.splitlines())
    assert topic is None or out.count("…") == find_page(topic).text.count("…"), "a word was cut"


@pytest.mark.parametrize("topic", TOPICS)
def test_no_line_of_code_is_broken(topic: str) -> None:
    _, out, _ = simo2("guide", topic)
    printed = [line.strip() for line in out.splitlines()]
    for fence in fences(GUIDE / f"{topic}.md"):
        for line in fence.text.splitlines():
            assert line.strip() in printed, line
            assert cell_len(line) <= WIDEST_CODE, line


def test_without_a_topic_every_page_is_listed_on_one_screen() -> None:
    _, out, _ = simo2("guide")
    assert [line.split()[0] for line in out.splitlines()][: len(TOPICS)] == TOPICS
    code, out, _ = simo2("guide", "--json")
    *rows, result = map(json.loads, out.splitlines())
    assert code == 0
    assert [row["topic"] for row in rows] == TOPICS
    assert result == {"pages": len(TOPICS)}


@pytest.mark.parametrize(
    ("asked", "meant"), [("evl", "eval"), ("evaluate", "eval"), ("resume", "runs"), ("wandb", "tracking"), ("zz", "")]
)
def test_an_unknown_topic_is_one_line_that_says_what_was_meant(asked: str, meant: str) -> None:
    code, out, said = simo2("guide", asked)
    assert (code, out, said.count("\n")) == (2, "", 1)
    assert repr(asked) in said
    assert f"Did you mean {meant}" in said if meant else "Did you mean" not in said


def test_a_link_names_the_command_that_shows_the_page() -> None:
    _, out, _ = simo2("guide", "start")
    assert "(simo2 guide console)" in " ".join(out.split())
    assert ".md" not in out


def test_a_page_can_be_had_as_it_was_written() -> None:
    _, out, _ = simo2("guide", "exit-codes", "--json")
    assert json.loads(out)["markdown"].startswith("# Exit codes\n")


def in_a_terminal(*arguments: str, **environment: str) -> str:
    """What the command writes to a terminal of 24 lines and 80 columns."""
    ours, theirs = pty.openpty()
    settings = {**os.environ, "TERM": "xterm-256color", "LINES": "24", "COLUMNS": "80", **environment}
    command = [sys.executable, "-m", "simo2_tui.start", *arguments]
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=settings)
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 65536):
            written += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert child.wait(30) == 0
    return written.decode()


def test_a_long_page_goes_through_the_pager_and_a_short_one_does_not(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text(f"#!{sys.executable}\nimport sys\nprint('PAGED', len(sys.stdin.read().splitlines()))\n")
    pager.chmod(0o755)
    assert "PAGED" in in_a_terminal("guide", "train", PAGER=str(pager))
    short = in_a_terminal("guide", "exit-codes", PAGER=str(pager), LINES="60")
    assert "PAGED" not in short
    assert "\x1b[" in short
    assert "Exit codes" in in_a_terminal("guide", "exit-codes", PAGER="/no/such/pager", LINES="5")
    for nonsense in ("less '", "/dev", str(tmp_path)):
        assert "Exit codes" in in_a_terminal("guide", "exit-codes", PAGER=nonsense, LINES="5")


def test_the_guide_needs_neither_jax_nor_textual() -> None:
    code = """
import sys
from simo2_tui.start import main
sys.argv = ["simo2", "guide", "train"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
heavy = [name for name in ("jax", "flax", "textual", "matplotlib", "scipy", "sklearn") if name in sys.modules]
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, timeout=60)
