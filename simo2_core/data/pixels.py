"""The file that decoded images are written into: a `.npy` of its full length before the first image comes.

Written with `pwrite`, not through a map: a disk that fills up is then an OSError of the call that met it. In a map it
is a signal that ends the process without a word.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 22


def header(shape: tuple[int, ...]) -> bytes:
    """The beginning of a `.npy` file of uint8. Its length does not depend on the number of rows."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def make_file(path: Path, shape: tuple[int, ...]) -> None:
    """Makes a `.npy` file of zeros at `path` with all its room on the disk reserved.

    Raises:
        OSError: there is less room than that, or the file is there already.
    """
    begin = header(shape)
    size = int(np.prod(shape, dtype=np.int64))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        write_at(descriptor, begin, 0)
        if size:
            _reserve(descriptor, len(begin), size)
    finally:
        os.close(descriptor)


def _reserve(descriptor: int, begin: int, size: int) -> None:
    try:
        os.posix_fallocate(descriptor, begin, size)
    except (AttributeError, OSError) as error:  # macOS has none, and some file systems refuse
        unable = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENODEV)
        if isinstance(error, OSError) and error.errno not in unable:
            raise
        zeros = bytes(min(size, _BLOCK))
        for place in range(begin, begin + size, len(zeros)):
            write_at(descriptor, zeros[: begin + size - place], place)


def write_at(descriptor: int, data: bytes | memoryview, place: int) -> None:
    """Writes all of `data` at `place`; raises OSError when the disk is full."""
    left = memoryview(data)
    while len(left):
        done = os.pwrite(descriptor, left, place)
        left, place = left[done:], place + done


def drop_rows(path: Path, rows: NDArray[np.int64]) -> None:
    """Takes `rows` out of the file at `path`, in its place: no second copy has to fit beside it."""
    old = np.load(path, mmap_mode="r", allow_pickle=False)
    begin, each = len(header(old.shape)), int(np.prod(old.shape[1:]))
    kept = np.delete(np.arange(len(old)), rows)
    with path.open("r+b") as file:
        for first, last in _blocks(len(kept), max(1, _BLOCK // each)):
            # rows only move towards the beginning, so what is read has not been written over
            write_at(file.fileno(), old[kept[first:last]].tobytes(), begin + first * each)
        write_at(file.fileno(), header((len(kept), *old.shape[1:])), 0)
        file.truncate(begin + len(kept) * each)


def _blocks(count: int, size: int) -> Iterable[tuple[int, int]]:
    return ((first, min(first + size, count)) for first in range(0, count, size))
