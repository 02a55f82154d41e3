"""A small process that waits in the shell's foreground, so that detaching gives the prompt back.

Training cannot move to another process, and cannot fork once jax has threads. So the console forks at the very
start: the parent only waits, and leaves when the child says so; the child draws, trains, and may stay.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

FORWARDED = (signal.SIGTERM, signal.SIGINT)


class _ChildStays(Exception):
    """The child goes on without the shell."""


def split() -> int | None:
    """Forks. In the child returns None at once; in the parent waits, and returns the exit code to end with.

    Must be called before any thread is started.
    """

    def stays(number: int, frame: FrameType | None) -> None:
        raise _ChildStays

    signal.signal(signal.SIGUSR1, stays)
    sys.stdout.flush()  # or both processes would write what is still in the buffer
    child = os.fork()
    if not child:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        return None

    def forward(number: int, frame: FrameType | None) -> None:
        os.kill(child, number)

    for number in FORWARDED:
        signal.signal(number, forward)
    # The terminal that hangs up tells the child as well; the shell wants no answer any more.
    signal.signal(signal.SIGHUP, stays)
    try:
        return _wait(child)
    except _ChildStays:
        return 0


def _wait(child: int) -> int:
    while True:
        _, status = os.waitpid(child, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            # Ctrl+Z stopped the child; the shell waits for this process, so this one stops too. `fg` wakes both.
            os.kill(os.getpid(), signal.SIGSTOP)
            os.kill(child, signal.SIGCONT)
        elif os.WIFSIGNALED(status):
            return 128 + os.WTERMSIG(status)
        else:
            return os.waitstatus_to_exitcode(status)


def stay_behind() -> None:
    """In the child: lets the parent go, and leaves the terminal's session so that closing it means nothing."""
    parent = os.getppid()
    os.setsid()
    os.kill(parent, signal.SIGUSR1)
