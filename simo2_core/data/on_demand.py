"""Images decoded when they are asked for: for data sets whose decoded form does not fit on the disk of the cache.

Looks like the array that the cache would have held: the same shape, the same order, the same pixels. Worker
processes decode, so they are not bound by the interpreter's lock.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.dataset import Note
from simo2_core.data.decode import Rule
from simo2_core.data.pixels import make_file
from simo2_core.data.placement import disk_free, human_bytes
from simo2_core.data.pool import Crew, chunks, cpus, even_chunks
from simo2_core.data.sources.source import Split
from simo2_core.data.worker import DecodeJob, DecodeTask
from simo2_core.errors import DataError

_TASK = 32
"""Most images of a task."""
_BUFFER_BYTES = 1 << 28


class OnDemandImages:
    """(N, H, W, ch) uint8, sorted by class, of which only what is indexed is ever decoded.

    An image that cannot be read is replaced by the next readable one of its class, so that a run of days does not
    end on one file and a batch keeps its k of each class; `unreadable` counts them.
    """

    def __init__(self, split: Split, order: NDArray[np.int64], rule: Rule, workers: int | None = None) -> None:
        self.shape = (len(order), *rule.shape)
        self.dtype = np.dtype(np.uint8)
        self.ndim = 4
        self.unreadable: set[int] = set()
        self.notes: tuple[Note, ...] = ()
        """What was chosen for the user when the rule was settled."""
        self._records, self._order = split.records, order
        self._labels = split.labels[order]
        folder, path, self._room = _make_buffer(len(order), rule)
        self._buffer = np.load(path, mmap_mode="r", allow_pickle=False)
        self._workers = cpus() if workers is None else max(1, workers)
        crew = Crew(DecodeJob(path, rule, split.transposed), self._workers)
        self._crew = crew
        self._lock = threading.Lock()
        self._close = weakref.finalize(self, _close, crew, folder)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes that all images would take."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __getitem__(self, rows: Any) -> NDArray[np.uint8]:
        """The images of a row, a slice or an array of rows: a copy."""
        wanted = np.atleast_1d(np.arange(len(self))[rows])
        out = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        for begin, end in chunks(len(wanted), self._room):
            with self._lock:  # the next batch is fetched by one thread while another evaluates
                self._decode(wanted[begin:end], out[begin:end])
        return out[0] if np.isscalar(rows) or isinstance(rows, int) else out

    def _decode(self, rows: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        places = np.arange(len(rows))
        rows = rows.copy()
        while len(places):
            tasks = [
                DecodeTask(self._records.take(self._order[rows[places[begin:end]]]), places[begin:end])
                for begin, end in even_chunks(len(places), _TASK, self._workers)
            ]
            bad = [place for answer in self._crew.map(tasks) for place, _, _ in answer.bad]
            self.unreadable.update(rows[bad].tolist())
            for place in bad:
                rows[place] = self._next_readable(int(rows[place]))
            places = np.array(bad, np.int64)
        out[:] = self._buffer[: len(rows)]

    def _next_readable(self, row: int) -> int:
        same = np.flatnonzero(self._labels == self._labels[row])
        for candidate in np.roll(same, -int(np.searchsorted(same, row))).tolist():
            if candidate not in self.unreadable:
                return int(candidate)
        raise DataError("no image of a class can be read. Check the files of the data set.")

    def close(self) -> None:
        """Ends the worker processes."""
        self._close()


def _make_buffer(images: int, rule: Rule) -> tuple[tempfile.TemporaryDirectory[str], Path, int]:
    """A file that processes share, in memory where there is room: its folder, its path and how many images it holds.

    A container often has 64 MB of shared memory, and writing beyond it would end the process: so as much is reserved
    as is there.

    Raises:
        DataError: there is no room for one image.
    """
    each = math.prod(rule.shape)
    wanted = max(1, min(images, _BUFFER_BYTES // each))
    for place in (Path("/dev/shm"), Path(tempfile.gettempdir())):
        room = min(wanted, disk_free(place) // 2 // each) if place.is_dir() else 0
        while room:
            try:
                folder = tempfile.TemporaryDirectory(prefix="simo2-", dir=place)
            except OSError:
                break
            path = Path(folder.name) / "images.npy"
            try:
                make_file(path, (room, *rule.shape))
                return folder, path, room
            except OSError:
                folder.cleanup()
                room //= 2  # a quota, or somebody was quicker
    raise DataError(
        f"there is no room to decode one image of {rule.height} x {rule.width} pixels ({human_bytes(each)}) in "
        f"/dev/shm or {tempfile.gettempdir()}. Free some space, set TMPDIR, or use a smaller --image-size."
    )


def _close(crew: Crew, folder: tempfile.TemporaryDirectory[str]) -> None:
    crew.close()
    with contextlib.suppress(OSError):
        folder.cleanup()
