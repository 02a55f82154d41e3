"""What commands say: no text of anybody's commands the terminal, or fills it."""

import ast
from pathlib import Path

import pytest

from simo2_tui.plain_lines import print_visible


def test_what_would_command_a_terminal_is_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_visible("runs/\x1b[31mred\a: done\nanother line")
    print_visible("simo2: \u202etxt", error=True)
    assert capsys.readouterr() == ("runs/\\x1b[31mred\\x07: done\nanother line\n", "simo2: \\u202etxt\n")


def test_a_word_that_fills_a_screen_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_visible(f"simo2: no run is called {'x' * 5000}, nor is {'y' * 399} one.")
    assert capsys.readouterr().out == (
        f"simo2: no run is called {'x' * 60}… (5,001 characters) nor is {'y' * 399} one.\n"
    )


PRINTED = ("json.dumps", "to_line()", "guide")
"""What `print` may print: JSON, which has escapes of its own, and the pages of the guide, which are ours."""


def test_every_line_of_a_command_goes_through_it() -> None:
    for path in [*Path("simo2_tui/cli").glob("*.py"), Path("simo2_tui/console.py"), Path("simo2_tui/start.py")]:
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print" and node.args:
                said = ast.get_source_segment(text, node.args[0]) or ""
                fixed = isinstance(node.args[0], ast.Constant)
                assert fixed or path.stem == "guide" or any(word in said for word in PRINTED), f"{path}:{node.lineno}"
