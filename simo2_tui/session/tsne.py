"""t-SNE of a snapshot in a process of its own: it takes seconds, and would hold the screen's thread all the while."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.reduce import sample_by_class, tsne_2d
from simo2_core.child import child_environment, last_words, module_command, scratch_file

MOST_POINTS = 2000
"""Points that are laid out; the others are left off the picture (NaN)."""


class TsneJob:
    """Starts at once; `done` says when `result` is there."""

    def __init__(self, snapshot: Path, name: str) -> None:
        """Lays out the snapshot in the file `snapshot`; `name` is the caller's, to know the job by."""
        self.name = name
        self.reason = ""
        self._files = contextlib.ExitStack()
        self._out = Path(self._files.enter_context(tempfile.TemporaryDirectory(prefix="simo2-tsne-"))) / "points.npy"
        self._said = self._files.enter_context(scratch_file())
        self._process = subprocess.Popen(
            module_command("simo2_tui.session.tsne", str(snapshot), str(self._out)),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._said, start_new_session=True,
            env=child_environment(),
        )  # fmt: skip

    @property
    def done(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def result(self) -> NDArray[np.float64] | None:
        """(N, 2) points around the origin, or None when it failed: then `reason` says why."""
        self._process.wait()
        try:
            points: NDArray[np.float64] | None = np.asarray(np.load(self._out, allow_pickle=False), np.float64)
            assert points is not None
            if points.ndim != 2 or points.shape[1] != 2:
                raise ValueError
        except Exception:  # numpy has many for bytes that are no array
            points = None
            self.reason = last_words(self._said) or f"exit code {self._process.returncode}"
        self._files.close()
        return points

    def cancel(self) -> None:
        """Ends the process, and waits for its end."""
        self._process.kill()
        self._process.wait()
        self._files.close()


def lay_out(snapshot: Path, out: Path) -> None:
    """Writes the layout of the snapshot in `snapshot` to `out`."""
    with np.load(snapshot, allow_pickle=False) as data:
        z_nd, labels_n = np.nan_to_num(data["embedding"]), data["labels"]
    rows = sample_by_class(labels_n, MOST_POINTS)
    layout, _ = tsne_2d(z_nd[rows])
    points = np.full((len(z_nd), 2), np.nan)
    points[rows] = layout - layout.mean(axis=0)
    np.save(out, points)


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]), Path(sys.argv[2]))
