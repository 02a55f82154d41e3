"""Standard output and error that never end a command, whatever they are: full, closed, left, stalled, not UTF-8.

`install` puts them in place of Python's own before anything is said. What is printed through them, by whichever
library, either arrives or is dropped; what was refused is remembered, so that a command can say so at its end.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PATIENCE = 5.0
"""Seconds that a command which must not be held up waits for a reader that takes nothing, such as a pager."""

_PIECE = 4096
"""Bytes that a pipe takes without blocking once it says that it is ready (PIPE_BUF of Linux)."""

_ERRORS = "simo2"
"""Name of the handler for characters that a stream cannot take."""

_patience: float | None = None


class Descriptor(io.BufferedIOBase):
    """Bytes to a file descriptor. Writing takes everything and never raises: what is refused is dropped."""

    def __init__(self, descriptor: int) -> None:
        """Writes to `descriptor`, and leaves it open."""
        self.name = self._descriptor = descriptor
        self._rest = b""
        self._stalled = False
        self.left = False
        """Whether the reader of the pipe has gone."""
        self.refused: OSError | None = None
        """The first thing that was said against a write, a reader that has gone apart."""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: ReadableBuffer, /) -> int:
        """Takes all of `data`, and returns its size in bytes."""
        told = bytes(data)
        size = len(told)
        if self.left:
            return size
        try:
            # a line of which the reader has a part comes to its end first; then whole lines are dropped or none
            self._rest = self._push(self._rest)
            if not self._rest:
                self._rest = self._push(told)
                if len(self._rest) == size:
                    self._rest = b""
        except BrokenPipeError:
            self.left = True
        except OSError as error:
            self._rest = b""
            self.refused = self.refused or error
        return size

    def _push(self, data: bytes) -> bytes:
        """Writes, and returns what a stalled reader has not taken."""
        while data:
            if not self._ready():
                return data
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self._descriptor, data if _patience is None else data[:_PIECE]) :]
        return b""

    def _ready(self) -> bool:
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLOUT)
        wait = None if _patience is None else 0 if self._stalled else _patience * 1000
        self._stalled = not waiting.poll(wait)
        return not self._stalled


def open_text(descriptor: int, encoding: str, *, line_buffering: bool = False) -> io.TextIOWrapper:
    """A text stream to a descriptor, which stays open; it never raises, and replaces what `encoding` has not."""
    raw = Descriptor(descriptor)
    # No io.BufferedWriter between the two: it writes again what a signal, raised inside a write, has interrupted.
    return io.TextIOWrapper(raw, encoding, errors=_ERRORS, line_buffering=line_buffering or raw.isatty())


def install() -> None:
    """Makes `sys.stdout` and `sys.stderr` such streams, and fills in for standard streams that are closed.

    A closed descriptor would go to the next file that is opened, and what is printed would end up in it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one
            os.set_inheritable(descriptor, True)  # children have it, as they would the usual one
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 (for as long as the process lives)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        encoding = getattr(stream, "encoding", None) or "utf-8"
        setattr(sys, name, open_text(descriptor, encoding, line_buffering=name == "stderr"))


def refusal() -> OSError | None:
    """What kept standard output from being written; None when all of it arrived, or its reader has gone."""
    sys.stdout.flush()
    raw = getattr(sys.stdout, "buffer", None)
    return raw.refused if isinstance(raw, Descriptor) else None


def say_at_once(text: str) -> None:
    """Writes to standard error past every buffer: a signal handler may call it."""
    try:
        descriptor = sys.stderr.fileno()
    except (OSError, ValueError):  # it was replaced by something that is no file
        descriptor = 2
    Descriptor(descriptor).write(text.encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def never_held_up() -> Iterator[None]:
    """Inside it a reader that takes nothing for `PATIENCE` seconds misses what is written until it reads again."""
    global _patience
    before, _patience = _patience, PATIENCE
    try:
        yield
    finally:
        _patience = before


def _replace(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that a stream cannot take: one that looks alike, or a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    from simo2_tui.escape import LOOKS_LIKE

    return "".join(LOOKS_LIKE.get(char, "?") for char in error.object[error.start : error.end]), error.end


codecs.register_error(_ERRORS, _replace)
