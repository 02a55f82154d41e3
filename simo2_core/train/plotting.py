"""Pictures while training, drawn by a child process from what is already in the run's folder.

matplotlib holds the interpreter lock for seconds; in a process of its own, at low priority, it cannot stall a step.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

from simo2_core.events import PlotSaved
from simo2_core.run.directory import RunDirectory


class Plotter:
    """At most one child at a time; a request while it draws is drawn after it."""

    def __init__(self, run: RunDirectory, *, enabled: bool = True) -> None:
        """Draws into the run's `plots/`, or nothing at all."""
        self._run = run
        self._enabled = enabled
        self._child: subprocess.Popen[str] | None = None
        self._waiting: int | None = None
        self._step = 0

    def request(self, step: int) -> None:
        """Asks for the pictures as of `step`; returns at once."""
        if self._enabled:
            self._waiting = step
            self._start()

    def _start(self) -> None:
        if self._child is not None or self._waiting is None:
            return
        self._step, self._waiting = self._waiting, None
        with contextlib.suppress(OSError), self._run.log_path.open("a") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "simo2_core.analysis.render", str(self._run.path)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                start_new_session=True,  # Ctrl+C in the terminal is for the trainer, which decides what to finish
                env={**os.environ, "MPLBACKEND": "Agg"},
            )  # fmt: skip

    def poll(self) -> list[PlotSaved]:
        """Pictures finished since the last call; never waits."""
        if self._child is None or self._child.poll() is None:
            return []
        return self._collect()

    def finish(self, timeout: float = 60.0) -> list[PlotSaved]:
        """Waits for every picture asked for."""
        saved = []
        while self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout)
            saved += self._collect()
        return saved

    def _collect(self) -> list[PlotSaved]:
        assert self._child is not None
        if self._child.poll() is None:
            self._child.kill()
        out, _ = self._child.communicate()
        self._child = None
        drawn = [json.loads(line) for line in (out or "").splitlines(keepends=True) if line.endswith("\n")]
        self._start()
        return [PlotSaved(step=one["step"], path=os.path.relpath(one["path"], self._run.path)) for one in drawn]

    def close(self) -> None:
        """Ends a child that is still drawing: its files appear whole or not at all."""
        self._waiting = None
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None
