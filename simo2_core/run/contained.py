"""Nothing in a run's folder is followed out of it, for reading or writing: a run may come from a stranger.

A link, a pipe or a device where simo2 expects a file or a folder of its own is refused in one line that names it,
before anything is read. Files that are written in place are opened so that a link is not followed, and one that is
another name of somebody's file is replaced by a copy first. All others appear by renaming, which follows nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from simo2_core.errors import RunError
from simo2_core.run.files import write_whole

FILES = ("config.json", "events.jsonl", "train.log", "lock", ".lock", "report.html", "outcome.json")
FOLDERS = ("checkpoints", "embeddings", "plots", "control", "eval", "tensorboard")
"""Of these everything below counts too."""

_WANDB = ("wandb", "wandb/simo2-run-id")
"""Its client makes links of its own in there, and reads none of them."""


def require_contained(folder: Path, names: Iterable[str] = (*FILES, *FOLDERS, *_WANDB), *, below: bool = True) -> None:
    """Looks at `names` in a folder, and at everything below them; follows nothing.

    Args:
        below: False for `names` alone.

    Raises:
        RunError: names what is a link, a pipe, a device or a socket.
    """
    for name in names:
        path = folder / name
        try:
            status = path.lstat()
        except OSError:  # not there, or not to be had: whoever needs it says so
            continue
        _require_plain(path, status.st_mode)
        if below and stat.S_ISDIR(status.st_mode) and name not in _WANDB:
            for found, mode in _walk(path):
                _require_plain(found, mode)


def _walk(folder: Path) -> Iterator[tuple[Path, int]]:
    waiting = [folder]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                mode = entry.stat(follow_symlinks=False).st_mode
                yield Path(entry.path), mode
                if stat.S_ISDIR(mode):
                    waiting.append(Path(entry.path))


def _require_plain(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return
    if stat.S_ISLNK(mode):
        try:
            where = f"a link to {path.readlink()}"
        except OSError:
            where = "a link"
        raise RunError(
            f"{path} is {where}, and nothing in a run's folder is followed out of it. Delete the link, or put what it "
            "leads to in its place."
        )
    raise RunError(f"{path} is no file and no folder, but a pipe, a device or a socket. Delete it.")


def is_inside(name: str) -> bool:
    """Whether a relative name stays in the folder that it is taken to be in: it is not absolute and has no `..`."""
    return bool(name) and "\0" not in name and not name.startswith("/") and ".." not in name.split("/")


def open_to_read(path: Path) -> BinaryIO:
    """Opens a file of a run; raises OSError when it is not there, a link, or no regular file."""
    return os.fdopen(_open(path, os.O_RDONLY), "rb")


def open_to_append(path: Path) -> BinaryIO:
    """Opens a file of a run to write at its end; raises OSError as `open_to_read` does."""
    return os.fdopen(open_in_place(path, os.O_WRONLY | os.O_APPEND), "ab")


def open_in_place(path: Path, flags: int) -> int:
    """A descriptor to write into a file of a run, made if need be, which no other name leads to.

    Raises:
        OSError: it is a link, or no regular file, or the disk refuses.
    """
    descriptor = _open(path, flags | os.O_CREAT)
    if os.fstat(descriptor).st_nlink < 2:
        return descriptor
    os.close(descriptor)
    with open_to_read(path) as file:
        write_whole(path, file.read())
    return _open(path, flags)


def _open(path: Path, flags: int) -> int:
    # without O_NONBLOCK, opening a pipe would wait for somebody at its other end
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
    raise OSError(number, os.strerror(number), str(path))
