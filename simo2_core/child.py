"""Python processes that simo2 starts: they import what this one does, and nothing from a working directory."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs `module` in a child: `-P` keeps a user's own `random.py` from taking Python's place."""
    return [sys.executable, "-P", "-m", module, *arguments]


def child_environment(**more: str) -> dict[str, str]:
    """This process's environment, where a child finds the same modules; `more` is added to it."""
    package = str(Path(__file__).parents[1])
    here = ("", str(Path.cwd())) if _exists() else ("",)
    path = [entry for entry in sys.path if entry == package or entry not in here]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1", **more}


def _exists() -> bool:
    try:
        Path.cwd()
    except OSError:  # it was removed
        return False
    return True


def read_answer(line: str) -> Mapping[str, Any]:
    """A line that a child has said, as the JSON object that it is; empty for anything else."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def scratch_file() -> IO[bytes]:
    """A file without a name for what a child says: a pipe that nobody reads would fill up and hold it up."""
    return tempfile.TemporaryFile()


def last_words(file: IO[bytes]) -> str:
    """The last line that a child has written into a file; empty where it has written nothing."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - 10_000))
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
