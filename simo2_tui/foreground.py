"""A small process that waits in the shell's foreground, so that detaching gives the prompt back.

Training cannot move to another process, and cannot fork once jax has threads. So the console forks at the very
start: the parent only waits, and leaves when the child says so; the child draws, trains, and may stay.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType

from simo2_core.run.control import STOP_SIGNALS, heeded

FORWARDED = tuple(number for number in STOP_SIGNALS if number != signal.SIGHUP)

_STAYS = b"."
_parent: tuple[int, int] | None = None
"""In the child: the process that waits for it, and a pipe there, which tells its SIGUSR1 from anybody else's."""


class _ChildStays(Exception):
    """The child goes on without the shell."""


def split() -> int | None:
    """Forks. In the child returns None at once; in the parent waits, and returns the exit code to end with.

    Signals that were ignored when simo2 began stay so, in both. Must be called before any thread is started.
    """
    global _parent
    parent = os.getpid()
    heard, speaks = os.pipe()
    os.set_blocking(heard, False)
    forwarded = heeded(FORWARDED)

    def stays(number: int, frame: FrameType | None) -> None:
        raise _ChildStays

    def forward(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(BlockingIOError):
            if number == signal.SIGUSR1 and os.read(heard, 1) == _STAYS:
                raise _ChildStays
        if number in forwarded:
            os.kill(child, number)

    sys.stdout.flush()  # or both processes would write what is still in the buffer
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # until there is somebody to pass them on to
    child = os.fork()
    if not child:
        os.close(heard)
        _parent = parent, speaks
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return None
    os.close(speaks)
    for number in {*forwarded, signal.SIGUSR1}:
        signal.signal(number, forward)
    if heeded((signal.SIGHUP,)):
        # The terminal that hangs up tells the child as well; the shell wants no answer any more.
        signal.signal(signal.SIGHUP, stays)
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
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
    os.setsid()
    if _parent is not None and os.getppid() == _parent[0]:  # it is still there
        os.write(_parent[1], _STAYS)
        os.kill(_parent[0], signal.SIGUSR1)
