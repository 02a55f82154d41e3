"""The terminal under the console: refused when it cannot draw, measured while it draws, given up when it is gone.

Native code (XLA, CUDA) writes warnings to file descriptor 2, in the middle of the screen. So the screen gets a
descriptor of its own and 2 is pointed at the run's `train.log`.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from simo2_core.errors import ConfigError
from simo2_core.run.contained import open_in_place
from simo2_tui.escape import Thrift
from simo2_tui.output import Descriptor

if TYPE_CHECKING:
    from textual.driver import Driver

WAIT_SECONDS = 0.5
"""How often a write that the terminal does not take looks whether the terminal has been given up."""


def require_terminal() -> None:
    """Raises ConfigError, in one line that names `simo2 train`, where the console cannot draw."""
    instead = "Train without a screen: simo2 train --preset digits."
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(f"the console needs a terminal, and standard input or output is none. {instead}")
    if os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        raise ConfigError(f"the console cannot draw on TERM={os.environ.get('TERM', '')!r}. {instead}")


_ASCII_TERMINALS = re.compile(r"linux|vt\d+|ansi|pcansi|cons\d+|sun|wy(se)?\d+")
"""Their fonts have no braille, and few of the other characters."""

_COLOURLESS_TERMINALS = re.compile(r"vt\d+|sun|wy(se)?\d+|.*-mono|.*-m")


def needs_ascii(environ: Mapping[str, str]) -> bool:
    """Whether the terminal, or the locale that speaks for it, shows nothing but ASCII.

    A locale that is not set says nothing: many a container has none, behind a terminal that draws everything.
    """
    if _ASCII_TERMINALS.fullmatch(environ.get("TERM", "").split("-")[0]):
        return True
    names = [environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if names[:2] == ["", "C.UTF-8"] and names[2] in ("C", "POSIX"):
        names[1] = ""  # by Python itself, when it starts in the locale C: PEP 538
    chosen = next((name for name in names if name), "")
    return bool(chosen) and not re.search(r"utf-?8", chosen, re.IGNORECASE)


def shows_colour(environ: Mapping[str, str]) -> bool:
    """Whether the terminal has colours, and its user wants them (no-color.org)."""
    return not environ.get("NO_COLOR") and not _COLOURLESS_TERMINALS.fullmatch(environ.get("TERM", ""))


class Link:
    """A text file to the terminal that counts its bytes, never raises, and can be given up while it is blocked."""

    encoding = "utf-8"

    def __init__(self, descriptor: int, *, ascii_only: bool = False, colour: bool = True) -> None:
        """Writes to a descriptor of its own to the same terminal.

        Args:
            ascii_only: write an ASCII character for every other one, whichever widget drew it.
            colour: leave the codes of colours in; without them bold, underlined and reversed text remain.

        Where the terminal can be opened by name the descriptor is non-blocking: setting that on the one we were
        given would change it for the shell as well, since they share the open file.
        """
        try:
            flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
            self._descriptor = os.open(os.ttyname(descriptor), flags)
        except OSError:
            self._descriptor = os.dup(descriptor)
        self._thrift = Thrift(ascii_only=ascii_only, colour=colour)
        self._gone = threading.Event()
        self._patience: float | None = None
        self.sent = 0
        """Bytes that the terminal has taken."""
        self._since: float | None = None

    @property
    def gone(self) -> bool:
        """Whether the terminal was given up, or has hung up."""
        return self._gone.is_set()

    @property
    def waiting(self) -> bool:
        """Whether a write is waiting for the terminal now."""
        return self._since is not None

    def give_up(self) -> None:
        """Drops what is being written and everything after it."""
        self._gone.set()

    def hurry(self, seconds: float = 2.0) -> None:
        """From now on gives the terminal up when it takes nothing for `seconds`: the program has to end."""
        self._patience = seconds

    def write(self, text: str) -> int:
        """Writes all of `text`, or drops it when the terminal is gone."""
        data = memoryview(self._thrift.rewrite(text).encode(self.encoding, errors="replace"))
        self._since = time.monotonic()
        try:
            while data and not self._gone.is_set():
                _, ready, _ = select.select([], [self._descriptor], [], WAIT_SECONDS)
                if ready:
                    with contextlib.suppress(BlockingIOError):
                        count = os.write(self._descriptor, data[:4096])
                        self.sent += count
                        self._since = time.monotonic()
                        data = data[count:]
                elif self._patience is not None and time.monotonic() - self._since > self._patience:
                    self._gone.set()
        except (OSError, ValueError):
            self._gone.set()
        finally:
            self._since = None
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        return not self.gone

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        """Closes the descriptor."""
        self._gone.set()
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


def driver_for(link: Link) -> type[Driver]:
    """Textual's own driver, writing to `link` in place of standard error."""
    from textual.drivers.linux_driver import LinuxDriver

    class ConsoleDriver(LinuxDriver):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[arg-type]
            self._file = link  # type: ignore[assignment]
            self._drawing = self._drew = False

        def start_application_mode(self) -> None:
            # `fg` wakes every process of a job, and the one that waits for this one wakes it again. Doing this twice
            # would take the terminal as it is while drawing for what there was before, and leave it so at the end.
            # A terminal that hangs up wakes the job too, when the app has let go of it: then nobody would end what
            # reads the keys, and the process would stay.
            if self._drawing or (self._drew and link.gone) or self._app.return_value is not None:
                return
            self._drawing = self._drew = True
            super().start_application_mode()  # type: ignore[no-untyped-call]
            # after `bg` the terminal puts it back to sleep before it draws, so `fg` finds it here with nothing done
            while not link.gone and (self._key_thread is None or not self._key_thread.is_alive()):
                super().start_application_mode()  # type: ignore[no-untyped-call]

        def _run_input_thread(self) -> None:
            try:
                self.run_input_thread()
            except OSError:  # there is nobody at the other end
                link.give_up()

        def stop_application_mode(self) -> None:
            super().stop_application_mode()
            self._drawing = False

    return ConsoleDriver


@contextlib.contextmanager
def stray_output() -> Iterator[StrayOutput]:
    """Keeps what anybody writes to descriptor 2 off the screen; puts everything back at the end."""
    stray = StrayOutput()
    try:
        yield stray
    finally:
        stray.restore()


class StrayOutput:
    """Where descriptor 2 points: nowhere at first, then at a run's log."""

    def __init__(self) -> None:
        sys.stderr.flush()
        self._kept = os.dup(2)
        self._point(Path(os.devnull))

    def send_to(self, path: Path) -> None:
        """Appends what is written to descriptor 2 to the file at `path` from now on."""
        self._point(path)

    def say(self, text: str) -> None:
        """Writes to where descriptor 2 pointed, for the user to see; a signal handler may call it."""
        Descriptor(self._kept if self._kept >= 0 else 2).write(text.encode("utf-8", "backslashreplace"))

    def _point(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            if path == Path(os.devnull):
                target = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            else:
                target = open_in_place(path, os.O_WRONLY | os.O_APPEND)
            os.dup2(target, 2)
            os.close(target)

    def restore(self) -> None:
        """Gives descriptor 2 back to the terminal."""
        if self._kept >= 0:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()
            os.dup2(self._kept, 2)
            os.close(self._kept)
            self._kept = -1


def let_go() -> None:
    """Points standard input and output away from a terminal that has hung up.

    Input comes from a pipe that nobody ever writes to: at the end of a file, whoever waits for a key would be woken
    without pause. Whoever was woken by the terminal and reads from the pipe must not wait there for ever.
    """
    null = os.open(os.devnull, os.O_WRONLY)
    never, _kept_open = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    os.dup2(never, 0)
    os.dup2(null, 1)
    os.close(never)
    os.close(null)
