"""Copying a line to where the user can paste it, and saying truly where that is."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from textual.app import App

SHOWN = 20.0
"""Seconds that the line stays on the screen: long enough to be selected by hand where no clipboard took it."""


def copy(app: App[Any], line: str) -> None:
    """Copies `line`, shows it, and says where it is now.

    tmux ignores what a program sends to the clipboard (OSC 52) unless it is told otherwise, and nobody answers what
    became of it; so its own command is used, which says whether it worked. screen has no way at all.
    """
    if os.environ.get("TMUX") and _to_tmux(line):
        title = "in the buffer of tmux: prefix ] pastes it"
    elif os.environ.get("STY"):
        title = "screen hands on no clipboard: select the line"
    else:
        app.copy_to_clipboard(line)
        title = "sent to your terminal's clipboard; where it takes none, select the line"
    app.notify(line, title=title, timeout=SHOWN)


def _to_tmux(line: str) -> bool:
    """Whether tmux took the line; from 3.2 on it also hands it to the terminal outside."""
    for options in (["-w"], []):
        try:
            done = subprocess.run(
                ["tmux", "load-buffer", *options, "-"], input=line.encode(), capture_output=True, timeout=2, check=False
            )
        except (OSError, subprocess.SubprocessError):
            return False
        if done.returncode == 0:
            return True
    return False
