"""The size of what the house is made of: what can be read at a sitting, and how often a check is silenced."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from simo2_core import parts
from simo2_core.config import all_settings

ROOT = Path(__file__).parents[1]
FILES = sorted(path for room in ("simo2_core", "simo2_tui", "tests") for path in (ROOT / room).rglob("*.py"))

LONGEST_FILE, LONGEST_FUNCTION, MOST_METHODS = 420, 60, 15
SUPPRESSIONS = 3
"""Per 1,000 lines."""

SCREEN = "ConsoleScreen"
"""The base of the screens: a method for each key, and for each message of a widget."""

_SUPPRESSION = re.compile(r"type: ignore|\bnoqa\b|no cover|fmt: (off|skip)")


class Found(NamedTuple):
    """What the tests ask of a file, and nothing of its tree: those of the whole house fill the memory."""

    lengths: dict[str, int]
    """Lines of each function."""
    methods: dict[str, int]
    """Of each class that is no screen."""
    classes: list[str]
    """That other files can import."""
    imports: list[ast.Import | ast.ImportFrom]
    """Also those inside functions, but for what is imported for types alone."""


@cache
def found_in(path: Path) -> Found:
    """Only statements are walked: expressions would take seconds."""
    left: list[ast.stmt] = list(ast.parse(path.read_bytes()).body)
    found = Found({}, {}, [node.name for node in left if isinstance(node, ast.ClassDef)], [])
    while left:
        node = left.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.lengths[f"{path.relative_to(ROOT)}: {node.name}"] = (node.end_lineno or 0) - node.lineno + 1
        elif isinstance(node, ast.ClassDef) and SCREEN not in map(ast.unparse, node.bases):
            count = sum(isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) for item in node.body)
            found.methods[f"{path.relative_to(ROOT)}: {node.name}"] = count
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.imports.append(node)
        for part in ("body", "orelse", "finalbody"):
            left += getattr(node, part, [])
        for branch in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            left += branch.body
    return found


def test_a_file_can_be_read_at_a_sitting():
    lengths = {str(path.relative_to(ROOT)): path.read_bytes().count(b"\n") for path in FILES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_a_function_fits_on_a_page_and_a_class_has_one_responsibility():
    lengths = {name: length for path in FILES for name, length in found_in(path).lengths.items()}
    methods = {name: count for path in FILES for name, count in found_in(path).methods.items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}
    assert {name: count for name, count in methods.items() if count > MOST_METHODS} == {}


def test_checks_are_rarely_silenced():
    lines = [line for path in FILES for line in path.read_text().splitlines()]
    found = sum(_SUPPRESSION.search(line.partition("#")[2]) is not None for line in lines)
    assert found < SUPPRESSIONS * len(lines) / 1000


def test_no_file_imports_another_that_imports_it():
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in FILES
        if path.relative_to(ROOT).parts[0] != "tests"
    }
    graph = {}
    for module, path in files.items():
        found = set()
        for node in found_in(path).imports:
            if isinstance(node, ast.Import):
                found |= {item.name for item in node.names}
            elif node.module is not None:
                named = {f"{node.module}.{item.name}" for item in node.names}
                found |= (named & files.keys()) or {node.module}
        graph[module] = found & files.keys()
    TopologicalSorter(graph).prepare()  # which raises CycleError with the circle


def test_no_setting_is_there_for_nothing():
    """Each is asked for by name somewhere beside the line that says it: one that nothing reads is a promise broken."""
    source = "\n".join(path.read_text() for path in FILES if path.relative_to(ROOT).parts[0] != "tests")
    names = {item.name for item in all_settings() if not item.kind or set(item.parts) <= parts.own(item.kind).keys()}
    unread = {name for name in names if not re.search(rf"\.{name}\b|[\"']{name}[\"']", source)}
    assert unread == set()


def test_no_two_classes_have_one_name():
    homes: dict[str, list[str]] = {}
    for path in FILES:
        if path.relative_to(ROOT).parts[0] != "tests":
            for name in found_in(path).classes:
                homes.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in homes.items() if len(where) > 1 and not name.startswith("_")} == {}
