"""Who trains a run, found out without touching a lock, and the holding of a run by one process.

Two files in the run's folder:

    lock    names the owner for everybody to read: process and host, and when, where and since which boot it began
    .lock   is locked by the owner for as long as it lives; nobody else may even open it

Whoever looks reads the first and asks the system about the process that it names. So looking cannot keep an owner
out, and neither can a stranger who locks what he may read.
"""

from __future__ import annotations

import contextlib
import enum
import os
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from simo2_core.errors import RunError, RunLockedError
from simo2_core.file_lock import lock_now
from simo2_core.run.files import disk_error, write_whole

NAME, HELD = "lock", ".lock"

_TEXT = re.compile(
    r"process (?P<pid>\d{1,18}) on (?P<host>\S{1,255})"
    r"(?:\nstarted (?P<started>\d{1,18}) boot (?P<boot>\S+) in (?P<space>\S+))?"
)
_MOMENT = 1.0
"""Seconds between taking the lock and saying so that another process may need."""

_LOOK_SECONDS = 2.0
"""How long a log is watched for growing, where nothing else can tell whether its owner on another machine lives."""

_held: set[tuple[int, int]] = set()
"""The runs that this process owns now, by device and inode of their folders."""


class Presence(enum.StrEnum):
    """Where the process is that trains a run."""

    HERE = "here"
    """Alive, on this machine."""
    ELSEWHERE = "elsewhere"
    """On another machine or in another container, which cannot be asked from here whether it is alive."""
    DEAD = "dead"
    """It was killed, or its machine was: it ended without a word."""
    NOWHERE = "nowhere"
    """Nobody trains the run: it was left in good order, or never begun."""


@dataclass(frozen=True)
class Owner:
    """Who trains a run, or did last."""

    presence: Presence
    pid: int | None = None
    host: str = ""
    since: float = 0.0
    """When it took the run, in seconds since 1970."""

    @property
    def may_live(self) -> bool:
        """Whether somebody trains the run, or may do so where it cannot be seen."""
        return self.presence in (Presence.HERE, Presence.ELSEWHERE)

    @property
    def stopped(self) -> bool:
        """Whether it is on this machine and stopped by a signal (Ctrl+Z, `kill -STOP`): alive, and doing nothing."""
        return self.presence == Presence.HERE and self.pid is not None and _field(self.pid, 0) in (b"T", b"t")

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" if self.pid is not None else "nobody"


class OwnerNote(NamedTuple):
    """What a user should know about how a process came to own a run, and what helps."""

    message: str
    cure: str


def owner_of(folder: Path) -> Owner:
    """Who owns the run in `folder`; reads a file and asks the system, and locks nothing."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return Owner(Presence.NOWHERE)
    try:
        text, written = os.read(descriptor, 1000).decode(errors="replace"), os.fstat(descriptor).st_mtime
    except OSError:
        return Owner(Presence.NOWHERE)
    finally:
        os.close(descriptor)
    found = _TEXT.match(text)
    if found is None:
        return Owner(Presence.NOWHERE)
    pid, host = int(found["pid"]), found["host"]
    return Owner(_presence(found, folder, written), pid, host, written)


def _presence(said: re.Match[str], folder: Path, written: float) -> Presence:
    if said["boot"] is None:  # written by an older simo2
        if said["host"] != socket.gethostname():
            return Presence.ELSEWHERE
    elif said["boot"] != _boot():
        return Presence.DEAD if said["host"] == socket.gethostname() else Presence.ELSEWHERE
    elif said["space"] != _space():
        return Presence.ELSEWHERE
    pid = int(said["pid"])
    if pid == os.getpid():
        return Presence.HERE if _identity(folder) in _held else Presence.DEAD
    started = _started(pid)
    if started is None:
        return Presence.HERE if _hidden(pid) else Presence.DEAD
    # the number of a process is given again: this one must be as old as the one that was written down
    same = started == int(said["started"]) if said["started"] else _clock_of(started) <= written + _MOMENT
    return Presence.HERE if same else Presence.DEAD


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _space() -> str:
    """The space of process numbers, of which a container has its own."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return "unknown"


def _started(pid: int) -> int | None:
    """When a process began, in ticks since the machine did; None when there is none, or it is only waited for."""
    if _field(pid, 0) in (b"Z", b"X"):
        return None
    ticks = _field(pid, 19)
    return int(ticks) if ticks.isdigit() else None


def _field(pid: int, place: int) -> bytes:
    """What the system says of a process: 0 its state, 19 when it began; empty where there is no such process."""
    try:
        # The name of the program, in parentheses, may hold blanks: what counts follows the last parenthesis.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[place]
    except (OSError, IndexError):
        return b""


def _hidden(pid: int) -> bool:
    """Whether there is such a process, of which nothing is shown here: of another user, or where there is no /proc."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return not Path(f"/proc/{pid}/stat").exists()
    except (OSError, OverflowError):
        return False
    return not Path("/proc/self/stat").exists()


def _clock_of(ticks: int) -> float:
    """Ticks since the machine began as seconds since 1970."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[list[OwnerNote]]:
    """Makes this process the owner of the run in `folder`; yields what its user should know about that.

    The kernel lets go of the run when the process dies, however it dies.

    Raises:
        RunLockedError: another process owns it, or locks it; the message says which.
        RunError: the folder cannot be written.
    """
    descriptor = _open(folder / HELD)
    try:
        notes = _take(folder, descriptor)
        me = f"process {os.getpid()} on {socket.gethostname()}"
        begun = f"started {_started(os.getpid()) or 0} boot {_boot()} in {_space()}"
        try:
            write_whole(folder / NAME, f"{me}\n{begun}\n".encode())
        except OSError as error:
            raise disk_error("locking", folder / NAME, error) from error
        identity = _identity(folder)
        if identity is not None:
            _held.add(identity)
        try:
            yield notes
        finally:
            if identity is not None:
                _held.discard(identity)
            if _identity(folder) == identity:
                with contextlib.suppress(OSError):
                    (folder / NAME).unlink()
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """The file that the owner locks: nobody else's, nobody else may open it, and it is nothing but that."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
        if os.fstat(descriptor).st_nlink > 1:  # another name of a file that is somebody's
            os.close(descriptor)
            path.unlink()
            descriptor = os.open(path, flags | os.O_EXCL, 0o600)
    except OSError as error:
        raise disk_error("locking", path, error) from error
    return descriptor


def _take(folder: Path, descriptor: int) -> list[OwnerNote]:
    """Locks the open file for this process, unless the run has an owner."""
    until = time.monotonic() + _MOMENT
    while True:
        owner = owner_of(folder)
        if owner.presence == Presence.HERE:
            raise _belongs(folder, owner)
        try:
            has_locks = lock_now(descriptor)
            break
        except BlockingIOError:
            if time.monotonic() > until:
                raise _locked(folder, owner, descriptor) from None
            time.sleep(0.05)
        except OSError as error:
            raise disk_error("locking", folder / HELD, error) from error
    notes: list[OwnerNote] = []
    if owner.presence == Presence.ELSEWHERE:
        # Its lock would be seen from here over a network that passes locks on; over one that does not, its log grows.
        if _grows(folder):
            raise _belongs(folder, owner)
        notes.append(
            OwnerNote(
                f"{folder} says that it belongs to {owner}, which cannot be asked from here.",
                "Its lock is free and its log does not grow, so it is taken to have ended. Make sure that it has.",
            )
        )
    if not has_locks:
        notes.append(
            OwnerNote(
                f"the file system of {folder} has no locks, so two processes on one run cannot be told apart here.",
                "Training goes on. Do not start the run a second time, from another machine least of all.",
            )
        )
    return notes


def _grows(folder: Path) -> bool:
    before = _size(folder)
    until = time.monotonic() + _LOOK_SECONDS
    while time.monotonic() < until:
        time.sleep(0.1)
        if _size(folder) != before:
            return True
    return False


def _size(folder: Path) -> int:
    try:
        return (folder / "events.jsonl").stat(follow_symlinks=False).st_size
    except OSError:
        return 0


def _belongs(folder: Path, owner: Owner) -> RunLockedError:
    return RunLockedError(
        f"{folder} belongs to {owner}, which is still running. Watch it with: simo2 attach {folder}. Or stop it first."
    )


def _locked(folder: Path, owner: Owner, descriptor: int) -> RunLockedError:
    if owner.presence == Presence.ELSEWHERE:
        return _belongs(folder, owner)
    holders = ", ".join(f"process {pid}" for pid in _holders(descriptor)) or "a process that cannot be seen from here"
    return RunLockedError(
        f"{folder / HELD} is locked by {holders}, which does not say that it trains the run. End it first."
    )


def _holders(descriptor: int) -> list[int]:
    """The processes that hold a lock on an open file, as far as the kernel shows them."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return []
    status = os.fstat(descriptor)
    name = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    found = [line.split() for line in lines]
    return sorted({int(words[4]) for words in found if len(words) > 5 and words[1] != "->" and words[5] == name})


def whose(folder: Path) -> str | None:
    """Whose a folder is, in a line for people, when it is another user's than the one who runs this; else None.

    Raises:
        RunError: the folder is gone.
    """
    try:
        uid = folder.stat().st_uid
    except OSError as error:
        raise RunError(f"{folder} cannot be read: {error.strerror or error}.") from None
    if uid == os.geteuid():
        return None
    import pwd

    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"user {uid}"
    return f"{folder} belongs to {name}, not to you."
