"""Kill real `simo2` processes with SIGKILL, on a disk that is slow, and check what is left after each."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from simo2_core.checkpoints.checkpoint import find_checkpoint, list_steps, load
from simo2_core.checkpoints.recovery import newest_sound
from simo2_core.events import RunStarted, StepsLogged
from simo2_core.run.directory import RunDirectory
from tests.tiny import TINY, options

AIMS = ("save", "event", "random", "start")
"""Inside a checkpoint save, inside the write of an event, anywhere while training, anywhere before it."""

SETTINGS = options(TINY | {"schedule": "cosine", "checkpoint_every": 7, "eval_every": "never", "plot_every": "never",
                           "keep": 2})  # fmt: skip

# The last argument of a killed process: it pauses in the middle of each write and before each fsync, so that a kill
# finds it there.
_SLOW_DISK = """
import os, sys, time
pause, write, sync = float(sys.argv.pop(1)), os.pwrite, os.fsync

def slow_write(file, data, offset):
    half = len(data) // 2
    done = write(file, data[:half], offset)
    time.sleep(pause)
    return done + write(file, data[half:], offset + done)

def slow_sync(file):
    time.sleep(pause)
    sync(file)

os.pwrite, os.fsync = slow_write, slow_sync
from simo2_core.train.plotting import Plotter
Plotter.request = lambda self, step, *, last=False: None  # seconds at the end of a run, and not what is looked at
from simo2_tui.start import main
main()
"""


def start(folder: Path, *arguments: str, pause: float = 0.0) -> subprocess.Popen[bytes]:
    """Starts `simo2` in `folder`, with writes that pause for `pause` seconds."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with (folder / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-c", _SLOW_DISK, str(pause), *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


class Killer:
    """Trains runs in `folder`, kills them again and again, and compares them with one that nobody touched."""

    def __init__(self, folder: Path, seed: int, pause: float = 0.03, steps: int = 120) -> None:
        self._folder, self._pause, self._settings = folder, pause, [*SETTINGS, "--steps", str(steps)]
        self._random = random.Random(seed)
        self.figures: Counter[str] = Counter()
        self._reference = self._finish("reference")
        self._totals = totals(self._reference)
        self._number = 0

    def kill(self, aim: str) -> None:
        """Starts or resumes the run, kills it at `aim`, and checks what is left."""
        run = self._run
        resumed = (run.path / "config.json").exists()
        said = run.events_path.stat().st_size if run.events_path.exists() else 0
        process = self._start(run.name, resumed)
        self._wait_for(process, run, aim, said)
        process.kill()
        process.wait()
        if process.returncode == 0:  # it was quicker than the kill
            self._compare_end(run)
            self._number += 1
            return
        assert process.returncode == -9, (self._folder / "output.txt").read_text()[-2000:]
        self.figures["kills"] += 1
        self.figures[f"kills at {aim}"] += 1
        self._check(run)

    def end(self) -> None:
        """Resumes the run for the last time, to its end."""
        self._finish(self._run.name)
        self._compare_end(self._run)

    @property
    def _run(self) -> RunDirectory:
        return RunDirectory(self._folder / "runs" / f"killed-{self._number}")

    def _start(self, name: str, resumed: bool, pause: float | None = None) -> subprocess.Popen[bytes]:
        arguments = ["resume", name, "--json"] if resumed else ["train", *self._settings, "--name", name, "--json"]
        return start(self._folder, *arguments, pause=self._pause if pause is None else pause)

    def _finish(self, name: str) -> RunDirectory:
        run = RunDirectory(self._folder / "runs" / name)
        process = self._start(name, (run.path / "config.json").exists(), pause=0.0)
        assert process.wait(300) == 0, (self._folder / "output.txt").read_text()[-2000:]
        return run

    def _wait_for(self, process: subprocess.Popen[bytes], run: RunDirectory, aim: str, said: int) -> None:
        if aim == "start":
            time.sleep(self._random.uniform(0.5, 5))
            return
        _wait(process, lambda: run.events_path.exists() and _has_steps(run, process, said))
        newer = max(list_steps(run.checkpoints), default=0) + 7 * self._random.randrange(4)
        _wait(process, lambda: max(list_steps(run.checkpoints), default=0) >= newer)
        if aim == "random":
            time.sleep(self._random.uniform(0, 1.5))
        elif aim == "save":
            _wait(process, lambda: any(run.checkpoints.glob("*.orbax-checkpoint-tmp*")))
            time.sleep(self._random.uniform(0, 0.1))
        else:
            _wait(process, lambda: not run.events_path.read_bytes().endswith(b"\n"))

    def _check(self, run: RunDirectory) -> None:
        """What holds after every kill, before anything is repaired."""
        if not (run.path / "config.json").exists():
            return  # killed before the run began
        json.loads(run.config_path.read_bytes())
        if run.events_path.exists() and not run.events_path.read_bytes().endswith(b"\n"):
            self.figures["lines cut in the middle"] += 1
        self.figures["saves cut in the middle"] += len(list(run.checkpoints.glob("*.orbax-checkpoint-tmp*")))
        found = newest_sound(run.checkpoints)
        assert not found.damaged, found.damaged
        newest = int(found.checkpoint.name) if found.checkpoint else 0
        known = totals(run)
        assert set(range(1, newest + 1)) <= set(known), f"steps before checkpoint {newest} are not in the log"
        self.figures["steps to do again"] += len([step for step in known if step > newest])
        for step, total in known.items():
            assert total == self._totals[step], f"step {step} is {total}, untouched {self._totals[step]}"
        self.figures["steps compared"] += len(known)

    def _compare_end(self, run: RunDirectory) -> None:
        assert totals(run) == self._totals
        mine, theirs = (load(find_checkpoint(one.checkpoints))[0] for one in (run, self._reference))
        assert list(mine) == list(theirs)
        for name in mine:
            np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)
        assert not list(run.checkpoints.glob("*tmp*")), "what a killed save left is removed"
        assert len(list_steps(run.checkpoints)) <= 3, "two newest and the best"
        self.figures["runs ended bit for bit the same"] += 1


def totals(run: RunDirectory) -> dict[int, float]:
    """The loss of every step in the log; fails when one is there twice, or a resumed start left a gap."""
    found: dict[int, float] = {}
    for event in run.events():
        if isinstance(event, RunStarted):
            assert event.step == max(found, default=0), "a start goes on from what the log holds"
        if isinstance(event, StepsLogged):
            for i, total in enumerate(event.total):
                assert event.step + i not in found, f"step {event.step + i} is told twice"
                found[event.step + i] = total
    assert sorted(found) == list(range(1, len(found) + 1)), "no step is missing"
    return found


def _has_steps(run: RunDirectory, process: subprocess.Popen[bytes], said: int) -> bool:
    """Whether this process has logged steps: its start is in the log, and steps after it."""
    owner = (run.path / "lock").read_text() if (run.path / "lock").exists() else ""
    if f"process {process.pid} " not in owner:
        return False
    text = run.events_path.read_bytes()
    return b'"event":"steps"' in text[text.rfind(b'"event":"compiled"') :] and len(text) != said


def _wait(process: subprocess.Popen[bytes], ready: Any, timeout: float = 120.0) -> None:
    end = time.monotonic() + timeout
    while process.poll() is None and not ready():
        assert time.monotonic() < end, "what the kill waits for never came"
        time.sleep(0.002)
