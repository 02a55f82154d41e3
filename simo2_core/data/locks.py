"""Locks on files of the cache: one process builds while others wait, and what is in use is not removed.

The kernel lets go of a lock when its process dies, so none is ever left behind. Some file systems have no locks
(NFS mounted with nolock, many of FUSE): there every process goes on as if it were alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from simo2_core.file_lock import lock_after_others, lock_now

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW  # a link would have us lock, and make, a file of somebody else


@contextlib.contextmanager
def lock(path: Path, waiting: Callable[[], None], say: Callable[[str], None]) -> Iterator[bool]:
    """Holds the file `path` for this process alone, after calling `waiting` when another one has it.

    Gives whether it is held: False on a file system without locks.

    Args:
        say: told, once a process, that the file system has no locks; the work then goes on without.

    Raises:
        OSError: the file cannot be made, or is a link.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o644)
    except PermissionError:  # made by somebody else who shares the cache
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    try:
        try:
            locked = lock_now(descriptor)
        except BlockingIOError:
            waiting()
            locked = lock_after_others(descriptor)
        if not locked:
            _say_once(path.parent, say)
        yield locked
    finally:
        os.close(descriptor)


def hold(path: Path) -> int | None:
    """Marks the file `path` as in use until the descriptor that it returns is closed; None where it cannot."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def is_free(path: Path) -> bool | None:
    """Whether no process holds the file `path`, or it is not there; None where that cannot be told."""
    for way in (os.O_RDWR, os.O_RDONLY):  # NFS locks alone what may be written
        try:
            descriptor = os.open(path, way | _FLAGS)
        except FileNotFoundError:
            return True
        except OSError:
            continue
        try:
            if lock_now(descriptor):
                return True
        except BlockingIOError:
            return False
        except OSError:
            continue
        finally:
            os.close(descriptor)
    return None


_said: set[Path] = set()


def _say_once(folder: Path, say: Callable[[str], None]) -> None:
    if folder not in _said:
        _said.add(folder)
        say(f"the file system of {folder} has no locks: do not start two commands on one data set at the same time")
