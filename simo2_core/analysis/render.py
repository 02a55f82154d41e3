"""The pictures of a run, from what its folder holds: `python -m simo2_core.analysis.render RUN_DIR`.

A child process of the trainer runs this, without jax and at low priority, so that drawing never holds up a step; it
prints a line of JSON for each file. Without `--step` the newest snapshot is drawn into `plots/`, over the last
picture of its kind: an older one can be drawn again at any time, into `plots/STEP/`, since snapshots are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.course import Course, read_course
from simo2_core.analysis.snapshot import Snapshot, read_snapshot, read_thumbnails, snapshot_steps
from simo2_core.config import PROPORTIONAL
from simo2_core.errors import ConfigError, DataError, RunError, Simo2Error, did_you_mean
from simo2_core.presets import data_name
from simo2_core.run.directory import RunDirectory

KINDS = ("curves", "pca", "similarity", "pairs", "cosines", "neighbours", "tsne")
"""What is drawn unless other kinds are asked for, the quick ones first; each is the file KIND.png."""

ON_REQUEST = ("umap",)
"""Drawn only when asked for: what is installed only by some, and takes its time."""


@dataclass(frozen=True)
class DrawnPlot:
    """A picture on disk."""

    kind: str
    path: Path
    step: int


def render_each(
    run_path: Path,
    kinds: Sequence[str] | None = None,
    *,
    step: int | None = None,
    snapshot_of: int | None = None,
    out: Path | None = None,
    dark: bool = False,
) -> Iterator[DrawnPlot]:
    """Draws the pictures of a run one by one, each a file that appears whole.

    Args:
        kinds: of `KINDS` and `ON_REQUEST`; by default all of the first that the run has the data for.
        step: of the snapshot to draw, and the last step of the curves; by default the newest.
        snapshot_of: another step, of the snapshot alone.
        out: the folder for the files; by default that of `folder_for`.
        dark: light on dark.

    Raises:
        ConfigError: a kind that does not exist.
        RunError: no such run or snapshot, nothing to draw yet, or a disk that refuses.
        DataError: an embedding that cannot be drawn, such as one that is not finite; raised when all the other
            pictures are drawn.
    """
    wanted = _check_kinds(kinds)
    run = RunDirectory.open(run_path)
    folder = out or folder_for(run, step, dark=dark)
    steps = snapshot_steps(run)
    chosen = step if snapshot_of is None else snapshot_of
    if chosen is not None and chosen not in steps:
        known = f"it has {', '.join(map(str, steps[-8:]))}" if steps else "it has none"
        raise RunError(f"{run.path} has no snapshot of step {chosen}; {known}.")
    snapshot = read_snapshot(run.embeddings / f"{steps[-1] if chosen is None else chosen}.npz") if steps else None
    failed: DataError | None = None
    drew = False
    for kind in wanted:
        try:
            drawn = _draw(kind, run, snapshot, step, folder / f"{kind}.png", dark)
        except DataError as error:
            failed = failed or error
            continue
        if drawn is None and kinds is not None:
            raise RunError(f"{run.path} has nothing to draw {kind} from yet. Let it train to its first evaluation.")
        if drawn is not None:
            drew = True
            yield drawn
    if failed:
        raise failed
    if not drew:
        raise RunError(f"{run.path} has nothing to draw yet. Let it train to its first evaluation.")


def folder_for(run: RunDirectory, step: int | None, *, dark: bool) -> Path:
    """`plots/`, or `plots/STEP/` of a step that was asked for; `dark/` in it, beside the light ones, for dark."""
    folder = run.plots if step is None else run.plots / str(step)
    return folder / "dark" if dark else folder


def _check_kinds(kinds: Sequence[str] | None) -> list[str]:
    every = (*KINDS, *ON_REQUEST)
    for kind in kinds or ():
        if kind not in every:
            raise ConfigError(f"{kind!r} is no picture; there are {', '.join(every)}.{did_you_mean(kind, every)}")
    return list(KINDS) if kinds is None else [kind for kind in every if kind in kinds]


def _draw(
    kind: str, run: RunDirectory, snapshot: Snapshot | None, step: int | None, path: Path, dark: bool
) -> DrawnPlot | None:
    """Draws one picture, or returns None when the run does not have its data yet."""
    from simo2_core.analysis.plots import cosines, curves, neighbours, pairs, scatter, similarity, style

    theme = style.DARK if dark else style.LIGHT
    if kind == "curves":
        course = read_course(run, step)
        if course is None:
            return None
        last = int(course.steps[-1]) if len(course.steps) else int(course.evaluated[-1])
        curves.draw_curves(path, course, _curves_title(run, course, last), theme=theme)
        return DrawnPlot(kind, path, last)
    if snapshot is None:
        return None
    drawings: dict[str, Callable[..., Path]] = {
        "pca": scatter.draw_pca,
        "tsne": scatter.draw_tsne,
        "similarity": similarity.draw_similarity,
        "pairs": pairs.draw_pairs,
        "cosines": cosines.draw_cosines,
        "umap": scatter.draw_umap,
        "neighbours": neighbours.draw_neighbours,
    }
    more: tuple[NDArray[np.uint8], ...] = ()
    if kind == "neighbours":
        images = read_thumbnails(run)
        if images is None or len(images) != len(snapshot.labels):
            return None
        more = (images,)
    if not np.isfinite(snapshot.embedding).all():
        raise DataError(f"the embedding of step {snapshot.step} is not finite: it cannot be drawn. Draw the curves.")
    caption = style.Caption(data_of(run), snapshot.step, len(snapshot.labels), run=run.name)
    drawings[kind](path, snapshot.embedding, snapshot.labels, snapshot.class_names, caption, *more, theme=theme)
    return DrawnPlot(kind, path, snapshot.step)


def animate(run_path: Path, path: Path, *, dark: bool = False) -> DrawnPlot:
    """Draws a GIF of the embedding over all snapshots of a run.

    Raises:
        DataError: fewer than two snapshots.
        RunError: no such run, a snapshot is damaged, or the disk refuses.
    """
    from simo2_core.analysis.plots import style
    from simo2_core.analysis.plots.animate import draw_animation

    run = RunDirectory.open(run_path)
    snapshots = [read_snapshot(run.embeddings / f"{step}.npz") for step in snapshot_steps(run)]
    draw_animation(path, snapshots, data_of(run), run=run.name, theme=style.DARK if dark else style.LIGHT)
    return DrawnPlot("animation", path, snapshots[-1].step)


def data_of(run: RunDirectory) -> str:
    """The preset of a run, or the name of its data set."""
    return data_name(run.config)


def _curves_title(run: RunDirectory, course: Course, last: int) -> str:
    from simo2_core.analysis.plots.style import named

    config = run.config
    batch = f"{course.classes_per_batch} classes × {config.samples_per_class} samples"
    if config.sampling == PROPORTIONAL:
        batch = f"{course.classes_per_batch * config.samples_per_class} images"
    return (
        f"{named(run.name, data_of(run))} · step {last:,} of {config.steps:,} · {batch} a batch · "
        f"D {course.dimensions} · {config.optim.optimizer}, "
        f"seed {config.seed}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The child process: returns its exit code."""
    parser = argparse.ArgumentParser(prog="simo2_core.analysis.render", description="Draw the pictures of a run.")
    parser.add_argument("run", type=Path, metavar="RUN_DIR")
    parser.add_argument("--step", type=int)
    parser.add_argument("--kinds", nargs="+", metavar="KIND", help=", ".join((*KINDS, *ON_REQUEST)))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--awaited", action="store_true", help="at the priority of whoever waits for it")
    given = parser.parse_args(arguments)
    if not given.awaited:
        os.nice(10)  # training comes first
    from threadpoolctl import threadpool_limits

    try:
        with threadpool_limits(limits=1):  # and keeps its cores
            for drawn in render_each(given.run, given.kinds, step=given.step, out=given.out, dark=given.dark):
                print(json.dumps({"plot": drawn.kind, "path": str(drawn.path), "step": drawn.step}), flush=True)
    except Simo2Error as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
