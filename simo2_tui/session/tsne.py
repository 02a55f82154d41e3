"""t-SNE of snapshots in a process of its own: each takes seconds, and would hold the screen's thread all the while."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.geometry import procrustes_align
from simo2_core.analysis.reduce import sample_by_class, tsne_2d
from simo2_core.child import child_environment, last_words, module_command, scratch_file

MOST_POINTS = 2000
"""Points that are laid out; the others are left off the picture (NaN)."""


class Layouts:
    """The layouts of a run's snapshots, by the name of each: made one after another, the most wanted first."""

    def __init__(self, run: Path) -> None:
        """Starts nothing; `want` does. Names are paths relative to the folder `run`."""
        self._run = run
        self._made: dict[str, NDArray[np.float64]] = {}
        self._failed: dict[str, str] = {}
        self._at_work = ""
        self._process: subprocess.Popen[str] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="simo2-tsne-", ignore_cleanup_errors=True)
        self._out = Path(self._folder.name) / "points.npy"
        self._said = scratch_file()

    def points(self, name: str) -> NDArray[np.float64] | None:
        """(N, 2) points around the origin, or None while they are not there."""
        return self._made.get(name)

    def reason(self, name: str) -> str:
        """Why there will be none of this snapshot; empty where there are or will be."""
        return self._failed.get(name, "")

    def count(self, names: Iterable[str]) -> int:
        """How many of the names are done, with or without points."""
        return sum(name in self._made or name in self._failed for name in names)

    def want(self, names: Sequence[str]) -> None:
        """Takes what is done, and begins with the first of `names` that is not; never waits."""
        if self._at_work and not self._collect():
            return
        left = next((name for name in names if name not in self._made and name not in self._failed), None)
        if left is not None:
            self._begin(left)

    def _begin(self, name: str) -> None:
        self._at_work = name
        try:
            if self._process is None or self._process.poll() is not None:
                self._end()
                self._process = subprocess.Popen(
                    module_command("simo2_tui.session.tsne"),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=self._said,
                    text=True,
                    start_new_session=True,
                    env=child_environment(),
                )
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps([str(self._run / name), str(self._out)]) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the next look finds that the process has ended
        except OSError as error:
            self._give_up(str(error))

    def _collect(self) -> bool:
        """Whether the one at work is done, one way or the other."""
        failure = self._out.with_suffix(".failed")
        if self._out.exists():
            try:
                points = np.asarray(np.load(self._out, allow_pickle=False), np.float64)
                if points.ndim != 2 or points.shape[1] != 2:
                    raise ValueError(f"a layout of shape {points.shape}")
                self._made[self._at_work] = self._turned(points)
                self._at_work = ""
            except Exception as error:  # numpy has many for bytes that are no array
                self._give_up(str(error))
            self._out.unlink()
        elif failure.exists():
            reason = failure.read_text()
            failure.unlink()
            self._give_up(reason)
        elif self._process is not None and self._process.poll() is not None:
            self._give_up(last_words(self._said) or f"exit code {self._process.returncode}")
        return not self._at_work

    def _give_up(self, reason: str) -> None:
        self._failed[self._at_work] = reason
        self._at_work = ""

    def _turned(self, points_n2: NDArray[np.float64]) -> NDArray[np.float64]:
        """The layout turned onto the one before it, so that scrubbing moves points and does not turn the picture."""
        older_n2 = next(reversed(self._made.values()), None)
        if older_n2 is None or older_n2.shape != points_n2.shape:
            return points_n2
        known = np.isfinite(points_n2).all(axis=1) & np.isfinite(older_n2).all(axis=1)
        turned = np.full_like(points_n2, np.nan)
        turned[known] = procrustes_align(points_n2[known], older_n2[known])
        return turned

    def close(self) -> None:
        """Ends the process, and waits for its end."""
        self._end()
        self._said.close()
        self._folder.cleanup()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(OSError):
                self._process.communicate()


def lay_out(snapshot: Path, out: Path) -> None:
    """Writes the layout of the snapshot in `snapshot` to `out`."""
    with np.load(snapshot, allow_pickle=False) as data:
        z_nd, labels_n = np.nan_to_num(data["embedding"]), data["labels"]
    rows = sample_by_class(labels_n, MOST_POINTS)
    layout, _ = tsne_2d(z_nd[rows])
    points = np.full((len(z_nd), 2), np.nan)
    points[rows] = layout - layout.mean(axis=0)
    hidden = out.with_suffix(".tmp.npy")
    np.save(hidden, points)
    hidden.replace(out)


def serve(lines: Iterable[str]) -> None:
    """The child process: a line of JSON names a snapshot and where its layout goes, or beside it why there is none."""
    os.nice(10)  # training comes first
    for line in lines:
        snapshot, out = map(Path, json.loads(line))
        try:
            lay_out(snapshot, out)
        except Exception as error:  # whatever is wrong with one file, the next may be sound
            out.with_suffix(".failed").write_text(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    serve(sys.stdin)
