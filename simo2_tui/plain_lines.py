"""What commands say in plain lines."""

from __future__ import annotations

import re
import sys

from simo2_core.visible import visible

_LONG = re.compile(r"\S{400,}")


def print_visible(text: str, *, error: bool = False, end: str = "\n") -> None:
    """Prints a text at once: what would not show in it, or would command a terminal, is written out.

    It may hold a path, a name or a message of anybody's, and of any length: a word of hundreds of characters is cut.

    Args:
        error: to standard error.
    """
    print(visible(_LONG.sub(_cut, text)), end=end, file=sys.stderr if error else sys.stdout, flush=True)


def _cut(word: re.Match[str]) -> str:
    return f"{word[0][:60]}… ({len(word[0]):,} characters)"
