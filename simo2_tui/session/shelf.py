"""All runs under a directory, looked at again and again: of each log only what was added is read."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

from simo2_core.run.directory import list_runs
from simo2_core.run.summary import RunSummary, SummaryReader

EVERY = 2.0
"""Seconds between two looks."""

SHARE = 0.03
"""Most of the time that looking may take: a thousand runs on a network disk are looked at less often."""


class Shelf:
    """Remembers what it has read. `look` may be called from any thread; `due` is for the screen."""

    def __init__(self, run_dir: Path) -> None:
        """Reads nothing yet."""
        self._run_dir = run_dir
        self._readers: dict[Path, SummaryReader] = {}
        self._lock = threading.Lock()
        self._next = 0.0
        self._looking = False

    def due(self) -> bool:
        """Whether it is time to look again; if so, the caller does."""
        if self._looking or time.monotonic() < self._next:
            return False
        self._looking = True
        return True

    def look(self, most: int | None = None) -> list[RunSummary]:
        """The runs as they are now, the newest first, at most so many: copies, which later looks leave alone."""
        began = time.monotonic()
        try:
            with self._lock:
                return self._read(most)
        finally:
            now = time.monotonic()
            self._next = now + max(EVERY, (now - began) / SHARE)
            self._looking = False

    def _read(self, most: int | None) -> list[RunSummary]:
        runs, known = list_runs(self._run_dir)[:most], self._readers
        self._readers = {run.path: known.get(run.path) or SummaryReader(run) for run in runs}
        summaries = [reader.read() for reader in self._readers.values()]
        return [dataclasses.replace(found, knn=list(found.knn)) for found in summaries]
