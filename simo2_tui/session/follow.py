"""A run that another process trains, or that has ended: read from its folder, commanded through its folder."""

from __future__ import annotations

import os
import socket
import threading
import time

from simo2_core.commands import Asker, Command, Requester
from simo2_core.data.progress import Progress
from simo2_core.errors import RunError
from simo2_core.events import RunStarted, WarningRaised
from simo2_core.run.control import send_command
from simo2_core.run.directory import RunDirectory
from simo2_core.run.event_file import DAMAGED, Damage, LineReader
from simo2_core.run.owner import Owner
from simo2_tui.session.history import History

POLL_SECONDS = 0.25
OWNER_SECONDS = 1.0
"""Seconds between looks at the lock: a system call, and the answer rarely changes."""


class FollowSession:
    """Follows a run directory from outside: `simo2 attach`. Several may follow the same run."""

    owned_here = False

    def __init__(self, run: RunDirectory, *, read_only: bool = False) -> None:
        """Reads the settings; raises RunError when the folder is damaged."""
        self.history = History()
        self.config = run.config
        self.read_only = read_only
        self.progress: Progress | None = None
        self.stop_asked = False
        self._run = run
        self._tail = LineReader(run.events_path)
        self._owner = run.owner()
        self._looked = time.monotonic()
        self._looks = self._read_out = 0
        """How often the log was looked at, and the newest look that found nothing more in it."""
        self._let_go: int | None = None
        """The look under way when the owner was seen to have let go."""
        self._stop = threading.Event()
        self._damage = Damage(run.events_path)
        self._noted = False
        self.error: BaseException | None = None
        self._caught_up = threading.Event()

    @property
    def run(self) -> RunDirectory | None:
        return self._run

    @property
    def reading(self) -> bool:
        return not self._caught_up.is_set()

    @property
    def owner(self) -> Owner | None:
        if time.monotonic() - self._looked > OWNER_SECONDS:
            found = self._run.owner()
            if self._owner.may_live and not found.may_live and not self._read_to_the_end():
                return self._owner
            self._owner, self._looked = found, time.monotonic()
        return self._owner

    @property
    def owned_since(self) -> float | None:
        owner = self.owner
        return owner.since if owner is not None and owner.may_live else None

    @property
    def silent_for(self) -> float | None:
        return None if self.owner is None else self.history.course.silent_for(self.owner, time.time())

    def _read_to_the_end(self) -> bool:
        """After the owner has let go: whether its last words have been read, without which it would look dead."""
        if self._let_go is None:
            self._let_go = self._looks
        read = self._looks == 0 or self._read_out > self._let_go
        if read:
            self._let_go = None
        return read

    @property
    def alive(self) -> bool:
        return self.owned_since is not None

    def start(self) -> None:
        """Starts reading."""
        # made here: from Python 3.13 on, a thread object that is older than a fork cannot be started in the child
        threading.Thread(target=self._follow, name="simo2-follow", daemon=True).start()

    def wait_until_read(self, timeout: float) -> bool:
        """Whether everything that was in the log at the start has been read within `timeout` seconds."""
        return self._caught_up.wait(timeout)

    def close(self) -> None:
        self._stop.set()

    def command(self, word: str) -> None:
        """Leaves the command in the run's folder.

        Raises:
            RunError: the session is read-only, nobody trains the run, or its folder cannot be written.
        """
        if self.read_only:
            raise RunError("this screen was opened with --read-only and cannot command the run.")
        if not self.alive:
            raise RunError(
                f"nobody is training {self._run.name}. Continue it with: simo2 train --resume {self._run.path}"
            )
        try:
            send_command(
                self._run.control, word, str(Requester(Asker.ATTACH, f"pid {os.getpid()} on {socket.gethostname()}"))
            )
        except OSError as error:
            raise RunError(f"{self._run.control} cannot be written: {error.strerror}.") from error
        self.stop_asked |= word == Command.STOP

    def _follow(self) -> None:
        while not self._stop.is_set():
            self._looks += 1
            try:
                read = self._read()
            except OSError as error:  # a network folder that is away for a moment is read again later
                message = f"{self._run.events_path} cannot be read: {error.strerror}."
                cure = "It is tried again and again."
                self._note(WarningRaised(step=self.history.step, code=DAMAGED, message=message, cure=cure))
                read = 0
            if not read:
                self._read_out = self._looks
                self._caught_up.set()
                self._stop.wait(POLL_SECONDS)

    def _read(self) -> int:
        lines, anew = self._tail.read()
        if anew:
            self.history.reset()
        for event in self._damage.decode(lines):
            self.history.add(event)
            self.stop_asked &= not isinstance(event, RunStarted)
        if len(self._damage):
            self._note(self._damage.warning(self.history.step))
        return len(lines)

    def _note(self, warning: WarningRaised) -> None:
        """Says once, not at every look, that something in the folder cannot be read."""
        if not self._noted:
            self._noted = True
            self.history.add(warning)
