"""The size of what the house is made of: what can be read at a sitting, and how often a check is silenced."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = sorted(path for room in ("simo2_core", "simo2_tui", "tests") for path in (ROOT / room).rglob("*.py"))

LONGEST_FILE, LONGEST_FUNCTION, MOST_METHODS = 420, 60, 15
SUPPRESSIONS = 3
"""Per 1,000 lines."""

SCREEN = "ConsoleScreen"
"""The base of the screens: a method for each key, and for each message of a widget."""

_SUPPRESSION = re.compile(r"type: ignore|\bnoqa\b|no cover|fmt: off")


def definitions() -> Iterator[tuple[str, ast.stmt]]:
    """Every function and class, by file and name. Only statements are walked: a second for the whole house."""
    for path in FILES:
        left: list[ast.stmt] = list(ast.parse(path.read_bytes()).body)
        while left:
            node = left.pop()
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield f"{path.relative_to(ROOT)}: {node.name}", node
            for part in ("body", "orelse", "finalbody"):
                left += getattr(node, part, [])


def test_a_file_can_be_read_at_a_sitting():
    lengths = {str(path.relative_to(ROOT)): path.read_bytes().count(b"\n") for path in FILES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_a_function_fits_on_a_page_and_a_class_has_one_responsibility():
    lengths, methods = {}, {}
    for name, node in definitions():
        if isinstance(node, ast.ClassDef):
            if SCREEN not in map(ast.unparse, node.bases):
                methods[name] = sum(isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) for item in node.body)
        else:
            lengths[name] = node.end_lineno - node.lineno + 1
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}
    assert {name: count for name, count in methods.items() if count > MOST_METHODS} == {}


def test_checks_are_rarely_silenced():
    lines = [line for path in FILES for line in path.read_text().splitlines()]
    found = sum(_SUPPRESSION.search(line.partition("#")[2]) is not None for line in lines)
    assert found < SUPPRESSIONS * len(lines) / 1000
