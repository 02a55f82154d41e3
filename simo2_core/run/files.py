"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from simo2_core.errors import RunError, Simo2Error


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _read_umask()  # at import: asking for it changes it for a moment, in every thread


def write_whole(path: Path, data: bytes) -> None:
    """Puts `data` at `path` so that a reader, and a crash at any moment, sees the old file or the new one.

    Raises:
        OSError: the disk is full or read-only; nothing half-written is left behind.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, 0o666 & ~_UMASK)  # mkstemp makes it private, and a run is there to be shared
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes a rename inside `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disk_error(doing: str, path: Path, error: OSError, *, option: str = "--run-dir") -> Simo2Error:
    """An OSError in one line with its cure: `option` chooses another place."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return RunError(f"no room left while {doing} {path}. Free some space, or choose another disk with {option}.")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return RunError(f"not allowed while {doing} {path}. Choose a folder that you may write to with {option}.")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return RunError(f"a file is in the way while {doing} {path}. Choose another folder with {option}.")
    return RunError(f"{error.strerror or error} while {doing} {path}.")


def write_into(path: Path, content: bytes, *, option: str = "--run-dir") -> None:
    """Writes a file whole, making its folder if need be; raises RunError, which names `option`, if the disk refuses."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise disk_error("writing", path, error, option=option) from error
