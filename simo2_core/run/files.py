"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

from simo2_core.errors import ConfigError, RunError, Simo2Error


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _read_umask()  # at import: asking for it changes it for a moment, in every thread


def write_whole(path: Path, data: bytes) -> None:
    """Puts `data` at `path` so that a reader, and a crash at any moment, sees the old file or the new one.

    Raises:
        OSError: the disk is full or read-only, or `path` is a device, a pipe or the like, whose place a file would take
            for good; nothing half-written is left behind.
    """
    if not is_replaceable(path):
        raise FileExistsError(errno.EEXIST, "no regular file", str(path))
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


def is_replaceable(path: Path) -> bool:
    """Whether a file may take the place of what is at `path`: of nothing, or of a regular file.

    A device, a pipe and whatever the system has under /dev and /proc are not, though root may replace them:
    `--out /dev/null` would leave a machine without one.
    """
    with contextlib.suppress(OSError):
        if not stat.S_ISREG(path.stat().st_mode):
            return False
    folder = path.parent.resolve()
    of_the_system = any(folder.is_relative_to(place) for place in ("/dev", "/proc", "/sys"))
    return not of_the_system or folder.is_relative_to("/dev/shm")


def require_place(path: Path, *, folder: bool, option: str = "--out") -> None:
    """Raises ConfigError when `path` can be no file, or no folder, to write: cheap, for before the work."""
    if folder and path.exists() and not path.is_dir():
        raise ConfigError(f"{option} is {path}, which is no folder. Name a folder, there or to be made.")
    if not folder and path.is_dir():
        raise ConfigError(f"{option} is {path}, which is a folder. Name a file in it.")
    if not folder and not is_replaceable(path):
        raise ConfigError(f"{option} is {path}, which is no regular file. Name a file, there or to be made.")
    place = path if folder else path.parent
    there = next(parent for parent in (place, *place.absolute().parents) if parent.exists())
    if not there.is_dir():
        raise ConfigError(f"{option} is {path}, and {there} is no folder. Name another.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"{option} is {path}, and {there} may not be written to. Name another.")


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
