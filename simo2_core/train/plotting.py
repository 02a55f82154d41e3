"""Pictures while training, drawn by a child process from what is already in the run's folder.

matplotlib holds the interpreter lock for seconds; in a process of its own, at low priority, it cannot stall a step. The
last pictures stall none, and the run waits for them: they are drawn at the run's own priority.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import IO

from simo2_core.child import child_environment, module_command, read_answer, scratch_file
from simo2_core.events import PlotSaved
from simo2_core.run.contained import open_to_append
from simo2_core.run.directory import RunDirectory


class Plotter:
    """At most one child at a time; a request while it draws is drawn after it."""

    def __init__(self, run: RunDirectory, *, enabled: bool = True) -> None:
        """Draws into the run's `plots/`, or nothing at all."""
        self._run = run
        self._enabled = enabled
        self._child: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._waiting: int | None = None
        self._step = 0
        self._last = False

    def request(self, step: int, *, last: bool = False) -> None:
        """Asks for the pictures as of `step`, the `last` one or not; returns at once."""
        if self._enabled:
            self._waiting, self._last = step, last
            self._start()

    def _start(self) -> None:
        if self._child is not None or self._waiting is None:
            return
        self._step, self._waiting = self._waiting, None
        with contextlib.suppress(OSError), open_to_append(self._run.log_path) as log:
            self._said = scratch_file()
            self._child = subprocess.Popen(
                module_command(
                    "simo2_core.analysis.render", str(self._run.path), *(["--awaited"] if self._last else [])
                ),
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=log,
                start_new_session=True,  # Ctrl+C in the terminal is for the trainer, which decides what to finish
                env=child_environment(),
            )

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
        self._child.wait()
        self._child = None
        assert self._said is not None
        with self._said as file:
            file.seek(0)
            said = file.read().decode(errors="replace")
        self._start()
        saved = []
        for line in said.splitlines():
            answer = read_answer(line)
            step, path = answer.get("step"), answer.get("path")
            if isinstance(step, int) and isinstance(path, str):  # what else the child says is no picture
                saved.append(PlotSaved(step=step, path=os.path.relpath(path, self._run.path)))
        return saved

    def close(self) -> None:
        """Ends a child that is still drawing: its files appear whole or not at all."""
        self._waiting = None
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None
        if self._said is not None:
            self._said.close()
