"""Paths as people give them: on the command line, in a setting, in an environment variable."""

from __future__ import annotations

import os
from pathlib import Path


def user_path(text: str | os.PathLike[str]) -> Path:
    """The path that `text` means to a shell: `~` and `~name` at its beginning are home folders.

    A shell does not see the `~` of `--run-dir=~/runs` or of a quoted word, and a setting never saw a shell.
    """
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises where a shell leaves ~name alone


def exists(path: Path) -> bool:
    """Whether something is at `path`; False for a path that no file system takes, or that may not be looked at."""
    try:
        return path.exists()
    except (OSError, ValueError):  # too long a name, a folder closed to us, a zero byte
        return False


def is_dir(path: Path) -> bool:
    """Whether a folder is at `path`; False where `exists` is."""
    return exists(path) and path.is_dir()
