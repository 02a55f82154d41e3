"""A lock on an open file, on file systems that have locks and on those that have none."""

from __future__ import annotations

import errno
import fcntl
import tempfile
from pathlib import Path

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
"""What a file system without locks says: NFS mounted with `nolock`, and some that are made with FUSE."""


def lock_now(descriptor: int) -> bool:
    """Locks an open file for this process alone until it is closed; returns whether its file system has locks at all.

    Raises:
        BlockingIOError: somebody else has it locked.
    """
    return _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock_after_others(descriptor: int) -> bool:
    """Like `lock_now`, but waits for whoever has it locked."""
    return _lock(descriptor, fcntl.LOCK_EX)


def has_locks(folder: Path) -> bool:
    """Whether the file system of a folder that we may write to has locks; raises OSError when we may not."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return lock_now(file.fileno())


def _lock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True
