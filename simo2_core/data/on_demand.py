"""Images decoded when they are asked for: for data sets whose decoded form does not fit on the disk of the cache.

Looks like the array that the cache would have held: the same shape, the same order, the same pixels. Worker
processes decode, so they are not bound by the interpreter's lock.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.decode import Rule
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
        self._records, self._order = split.records, order
        self._labels = split.labels[order]
        self._room = max(1, min(len(order), _BUFFER_BYTES // int(np.prod(rule.shape))))
        shared = Path("/dev/shm")  # memory that processes share, on Linux
        folder = tempfile.TemporaryDirectory(prefix="simo2-", dir=shared if shared.is_dir() else None)
        path = Path(folder.name) / "images.npy"
        self._buffer = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(self._room, *rule.shape))
        self._workers = cpus() if workers is None else workers
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
            bad = [place for answer in self._crew.map(tasks) for place, _, _ in answer]
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


def _close(crew: Crew, folder: tempfile.TemporaryDirectory[str]) -> None:
    crew.close()
    with contextlib.suppress(OSError):
        folder.cleanup()
