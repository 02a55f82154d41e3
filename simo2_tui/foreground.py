"""A small process that waits in the shell's foreground, so that detaching gives the prompt back.

Training cannot move to another process, and cannot fork once jax has threads. So the console forks at the very
start: the parent only waits, and leaves when the child says so; the child draws, trains, and may stay.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from simo2_core.run.control import STOP_SIGNALS, heeded

FORWARDED = tuple(number for number in STOP_SIGNALS if number != signal.SIGHUP)

_STAYS = b"."
_parent: tuple[int, int] | None = None
"""In the child: the process that waits for it, and a pipe there, which tells its SIGUSR1 from anybody else's."""


def split() -> int | None:
    """Forks. In the child returns None at once; in the parent waits, and returns the exit code to end with.

    Signals that were ignored when simo2 began stay so, in both. Must be called before any thread is started.
    """
    global _parent
    parent = os.getpid()
    heard, speaks = os.pipe()
    os.set_blocking(heard, False)
    # The parent takes its signals one by one: a handler would miss what arrives just before it begins to wait.
    passed_on = heeded(FORWARDED)
    awaited = {*heeded(), signal.SIGUSR1, signal.SIGCHLD}
    sys.stdout.flush()  # or both processes would write what is still in the buffer
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    child = os.fork()
    if not child:
        os.close(heard)
        _parent = parent, speaks
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return None
    os.close(speaks)
    for own in (signal.SIGUSR1, signal.SIGCHLD):  # the child speaks by them, whoever had them ignored
        signal.signal(own, signal.SIG_DFL)
    while True:
        number = signal.sigwait(awaited)
        if number == signal.SIGCHLD:
            code = _ended(child)
            if code is not None:
                return code
        elif number == signal.SIGHUP or (number == signal.SIGUSR1 and _stays(heard)):
            return 0  # the terminal that hangs up tells the child as well; the shell wants no answer any more
        elif number in passed_on:
            os.kill(child, number)


def _stays(heard: int) -> bool:
    """Whether it was the child that sent SIGUSR1: it stays, without the shell."""
    with contextlib.suppress(BlockingIOError):
        return os.read(heard, 1) == _STAYS
    return False


def _ended(child: int) -> int | None:
    """The exit code to end with; None while the child lives. One that Ctrl+Z stopped stops this process too."""
    found, status = os.waitpid(child, os.WUNTRACED | os.WNOHANG)
    if not found:
        return None
    if os.WIFSTOPPED(status):
        os.kill(os.getpid(), signal.SIGSTOP)  # the shell waits for this process; `fg` wakes both
        os.kill(child, signal.SIGCONT)
        return None
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)


def stay_behind() -> None:
    """In the child: lets the parent go, and leaves the terminal's session so that closing it means nothing."""
    os.setsid()
    if _parent is not None and os.getppid() == _parent[0]:  # it is still there
        os.write(_parent[1], _STAYS)
        os.kill(_parent[0], signal.SIGUSR1)
