"""The size of what the house is made of: files, classes and functions that can be read at a sitting."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for room in ("simo2_core", "simo2_tui", "tests") for path in (ROOT / room).rglob("*.py"))
TREES = {path: ast.parse(path.read_bytes()) for path in FILES}

LONGEST_FILE, LONGEST_FUNCTION, MOST_METHODS = 420, 60, 15
SUPPRESSED = re.compile(r"#\s*(type: ignore|noqa|fmt: off|pragma: no cover)|#.*\bfmt: skip")
PER_THOUSAND = 3

Function = ast.FunctionDef | ast.AsyncFunctionDef


def of_type(kind: type) -> Iterator[tuple[str, ast.AST]]:
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, kind):
                yield f"{path.relative_to(ROOT)}: {node.name}", node
