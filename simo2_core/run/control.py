"""Commands to a running trainer: from the keyboard, from signals, and through files from another process.

The trainer asks between two calls, so a command takes effect within about a quarter of a second, and within two or one
step where steps are slow. A command from another process is a small JSON file in the run's `control/` folder, whole or
absent, read once and removed.
"""

from __future__ import annotations

import contextlib
import json
import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from simo2_core.commands import Asker, Command, Requester
from simo2_core.errors import ConfigError
from simo2_core.run.files import write_whole

STOP_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGXCPU,
)
"""What asks a process to stop and save: the keyboard, `kill`, a terminal that hangs up, a scheduler's warning (Grid
Engine's is SIGUSR2), the limit of processor time (`ulimit -S -t`)."""

_POLL_SECONDS = 0.1


def heeded(numbers: Sequence[signal.Signals] = STOP_SIGNALS) -> list[signal.Signals]:
    """Those signals that were not ignored when simo2 began: the others stay ignored.

    `nohup` has it that a hang-up means nothing, and a shell that Ctrl+C is not meant for the jobs in its background.
    """
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


@dataclass(frozen=True)
class Request:
    """What is asked, and by whom."""

    command: Command
    source: Requester


class Control:
    """The trainer's inbox. Every method may be called from any thread; `send` also from a signal handler."""

    def __init__(self, folder: Path | None = None) -> None:
        """Listens to this process, and to the `control/` folder of a run where one is given."""
        self._folder: Path | None = None
        self._asked: Callable[[], bool] | None = None
        # deque.append is atomic: a lock here could deadlock against the very thread that a signal interrupts
        self._queue: deque[Request] = deque()
        self._paused = threading.Event()
        if folder is not None:
            self.listen_to(folder)

    def listen_to(self, folder: Path) -> None:
        """From now on also takes commands from the `control/` folder of a run, which this process must own.

        Those that are there already were left for an earlier owner, and are dropped.
        """
        self._folder = folder
        self._commands_in_folder()

    def follow(self, asked: Callable[[], bool]) -> None:
        """From now on also stops when `asked` says so, which is how a signal to another process is heard of."""
        self._asked = asked

    def send(self, command: str, source: Requester | str) -> None:
        """Asks for `command`, a word of `Command`; raises ConfigError for another word."""
        self._queue.append(
            Request(_command(command), source if isinstance(source, Requester) else Requester.parse(source))
        )

    def take(self) -> list[Request]:
        """Everything asked since the last call, in order; each command is handed out once."""
        self._read_folder()
        taken = []
        while self._queue:
            request = self._queue.popleft()
            if request.command == Command.PAUSE:
                self._paused.set()
            elif request.command in (Command.RESUME, Command.STOP):
                self._paused.clear()
            taken.append(request)
        return taken

    @property
    def paused(self) -> bool:
        """Whether the last word was `pause`."""
        return self._paused.is_set()

    def wait_while_paused(self, seconds: float = math.inf) -> None:
        """Blocks while paused, until someone asks for something, or `seconds` are over."""
        end = time.monotonic() + seconds
        while self._paused.is_set() and time.monotonic() < end:
            self._read_folder()
            if self._queue:
                return  # the trainer takes the command and says so in an event
            time.sleep(_POLL_SECONDS)

    @property
    def stop_asked(self) -> bool:
        """Whether a stop waits to be taken."""
        self._read_folder()
        return any(request.command == Command.STOP for request in list(self._queue))

    def _read_folder(self) -> None:
        self._queue.extend(self._commands_in_folder())
        if self._asked is not None and self._asked():
            self._asked = None  # once is enough
            self.send(Command.STOP, Requester(Asker.SIGNAL))

    def _commands_in_folder(self) -> list[Request]:
        """What is in the folder, which is then empty."""
        if self._folder is None:
            return []
        try:
            names = sorted(path for path in self._folder.iterdir() if path.suffix == ".json")
        except OSError:
            return []
        found = []
        for path in names:
            found.append(read_command(path))
            with contextlib.suppress(OSError):
                path.unlink()
        return [request for request in found if request is not None]


def read_command(path: Path) -> Request | None:
    """The command in a control file, or None when the file holds none."""
    try:
        if not path.is_file():  # a pipe would block the trainer
            return None
        with path.open("rb") as file:
            data = json.loads(file.read(4096))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or data.get("command") not in tuple(Command):
        return None
    return Request(Command(data["command"]), Requester.parse(str(data.get("source", Asker.OUTSIDE))[:100]))


def send_command(folder: Path, command: str, source: str) -> None:
    """Leaves `command` in the `control/` folder of a run that another process owns.

    Raises:
        ConfigError: the word is no command.
        OSError: the folder cannot be written.
    """
    word = _command(command)
    name = f"{time.time_ns():020d}-{threading.get_native_id()}.json"
    write_whole(folder / name, json.dumps({"command": word, "source": source}).encode())


def _command(word: str) -> Command:
    try:
        return Command(word)
    except ValueError:
        raise ConfigError(f"{word!r} is no command; it must be one of {', '.join(Command)}.") from None
