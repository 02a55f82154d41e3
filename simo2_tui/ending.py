"""The end of a process that has nothing more to do."""

from __future__ import annotations

import contextlib
import os
import sys

from simo2_core.background import left_behind


def end_at_once_if_busy(code: int) -> None:
    """Ends the process while something compiles in it that was left: Python would wait for that, for minutes maybe."""
    if not left_behind():
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the terminal may be gone
            stream.flush()
    os._exit(code)
