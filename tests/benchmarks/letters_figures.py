"""Figures of letters in batches of seven shapes: what gathers them, with which parts, and what ends orthogonal.

`tests.benchmarks.study_figures` draws them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from simo2_core.analysis.plots.compare import look
from simo2_core.analysis.plots.style import LIGHT, dress, heading, new_figure, own_look, save
from simo2_core.evaluation.evaluate import STUCK_AT_END
from tests.benchmarks.study_outcomes import outcomes

LETTERS_RAW_PIXELS = 0.704

GATHERING = {
    "simo2-published": ("as published", 0),
    "simo2": ("simo2", 1),
    "supcon": ("SupCon", 2),
    "cross_entropy": ("cross-entropy", 3),
}
"""Losses: an arm without its shape of batches, its name and its colour."""

Seeds = Mapping[str, Mapping[int, list[float]]]
"""By arm and images of a class, the test kNN@20 of each seed."""


def _by_shape(folders: Sequence[Path]) -> dict[str, dict[int, list[float]]]:
    found: dict[str, dict[int, list[float]]] = {}
    for outcome in (outcome for folder in folders for outcome in outcomes(folder)):
        arm, _, size = outcome.arm.replace(":epsilon_start=none", "").partition(":samples_per_class=")
        if size.isdigit():
            found.setdefault(arm, {}).setdefault(int(size), []).append(outcome.scores["representation"]["knn_20"])
    return found


def _draw_shapes(axes: Axes, found: Seeds, arms: Mapping[str, tuple[str, int]]) -> None:
    """A line for each of `arms` over the shapes of batches that simo2 has."""
    dress(axes, LIGHT)
    sizes = sorted(found["simo2"])
    for arm, (label, place) in arms.items():
        colour, marker = look(place, LIGHT)
        at = [x for x, k in enumerate(sizes) if k in found[arm]]
        seeds = [found[arm][sizes[x]] for x in at]
        for x, points in zip(at, seeds, strict=True):
            axes.plot([x] * len(points), points, "o", color=colour, alpha=0.4, markersize=3, markeredgewidth=0)
        means = [float(np.mean(points)) for points in seeds]
        axes.plot(at, means, color=colour, marker=marker, markersize=4.5, linewidth=1.6, label=label)
    axes.set_xticks(range(len(sizes)), [f"{min(26, 160 // k)} × {k}" for k in sizes], fontsize=8)
    axes.set_xlabel("classes × images of each in a batch")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))


@own_look
def draw_gathering(path: Path, folders: Sequence[Path], raw_pixels: float) -> Path:
    """Test kNN against the shape of the batch, a line for each loss."""
    figure = new_figure(
        7.5,
        4.0,
        LIGHT,
        "What gathers letters, by the shape of the batch",
        "26 letters · batches of 160 images at most · 400 steps",
        "Test kNN@20 of the representation. Line: mean. Dots: seeds. Dashed: raw pixels.",
    )
    axes = figure.subplots()
    _draw_shapes(axes, _by_shape(folders), GATHERING)
    axes.axhline(raw_pixels, color=LIGHT.muted, linewidth=0.9, linestyle="--")
    axes.set_ylim(top=1.0)
    axes.legend(fontsize=8, frameon=False, labelcolor=LIGHT.ink, ncol=4, loc="upper right")
    return save(figure, path, dpi=110)


FRONTIER = {
    "simo2-published": "as published",
    "simo2": "simo2",
    "supcon": "SupCon",
    "cross_entropy": "cross-entropy",
    "simo2:pull=1:epsilon_start=none": "the paper's pull and ε",
    "simo2:steps=1200": "simo2, 1,200 steps",
    "simo2:same_bias=1": "simo2, b of one class 1",
}
"""Arms of letters, most of them without their shape of batches.

An arm has the colour of its place here, in the other pictures of letters too."""

IN_PLACE = {
    "simo2-published": ("as published", 0),
    "simo2:pull=1": ("the paper's pull and ε", 4),
    "simo2:pull=1:epsilon_start=1": ("ε falls", 2),
    "simo2:pull=1:epsilon=1": ("ε 1", 3),
    "simo2:pull=1:same_bias=1": ("b of one class 1", 5),
    "simo2": ("pull: simo2", 1),
}
"""What might gather letters in place of the pull: an arm without its shape of batches, its name and its colour."""
BESIDE = {
    "simo2:epsilon_start=1": ("ε falls", 2),
    "simo2:same_bias=1": ("b of one class 1", 5),
    "simo2:dropout=0.1": ("dropout 0.1", 3),
    "simo2:distance=euclidean": ("the paper's distance", 4),
    "simo2:negatives=slots": ("the paper's pairs", 0),
    "simo2": ("simo2", 1),
}
"""The same, of what it might gain or lose by one setting more."""


@own_look
def draw_parts(path: Path, folders: Sequence[Path]) -> Path:
    """Test kNN against the shape of the batch, a line for each setting in place of the pull, or beside it."""
    found = _by_shape(folders)
    found["simo2:pull=1"] = found["simo2"] | found["simo2:pull=1"]  # from 10 × 16 on the same runs
    figure = new_figure(
        11.0,
        4.4,
        LIGHT,
        "Is a pull enough? Letters, by the shape of the batch",
        "26 letters · batches of 160 images at most · 400 steps",
        "Test kNN@20 of the representation. Line: mean. Dots: seeds. From 10 × 16 on the pull is the paper's.",
    )
    panels = figure.subplots(1, 2)
    for axes, title, arms in zip(panels, ("in place of the pull", "beside it"), (IN_PLACE, BESIDE), strict=True):
        _draw_shapes(axes, found, arms)
        heading(axes, title, LIGHT)
        axes.legend(fontsize=8, frameon=False, labelcolor=LIGHT.ink, loc="lower center", ncol=2)
    return save(figure, path, dpi=110)


@own_look
def draw_frontier(path: Path, folder: Path) -> Path:
    """Test kNN against the largest |cos| of class means, and against the effective rank: a point for each run."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for study in ("letters-gathering", "letters-others", "letters-paper", "letters-long", "letters-beside"):
        for outcome in outcomes(folder / study) if (folder / study).is_dir() else ():
            arm = re.sub(r":samples_per_class=(4|8|10|12)$", "", outcome.arm)
            name = FRONTIER.get(arm)
            if name is not None:
                lies = outcome.scores["projection"]
                at = (lies["class_max_abs_cosine"], lies["effective_rank"], outcome.scores["representation"]["knn_20"])
                found.setdefault(name, []).append(at)
    figure = new_figure(
        9.0,
        4.2,
        LIGHT,
        "What gathers, and what ends orthogonal",
        "26 letters · batches of more classes than images of each · 400 steps, where nothing else is said",
        "Test kNN@20 of the representation, and the geometry of the projection on test. A point is a run.",
    )
    panels = figure.subplots(1, 2, sharey=True)
    titles = ("largest |cos| of two class means", "effective rank, of 26 classes")
    for which, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        dress(axes, LIGHT)
        for index, name in enumerate(FRONTIER.values()):
            if name in found:
                colour, marker = look(index, LIGHT)
                x, y = np.array([(run[which], run[2]) for run in found[name]]).T
                axes.plot(x, y, marker, color=colour, markersize=5, alpha=0.8, markeredgewidth=0, label=name)
        axes.set_xlabel(title)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))
    panels[0].legend(fontsize=8, frameon=False, labelcolor=LIGHT.ink, loc="lower left")
    return save(figure, path, dpi=110)


@own_look
def draw_stuck(path: Path, folder: Path, raw_pixels: float) -> Path:
    """Test kNN against the share of same-class pairs at a right angle at the end, and where simo2 begins to warn."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in FRONTIER if name.startswith("simo2")}
    for outcome in outcomes(folder):
        name, _, size = outcome.arm.partition(":samples_per_class=")
        if name in found and size != "80":
            at = (max(1e-4, outcome.geometry["stuck_pairs"]), outcome.scores["representation"]["knn_20"])
            found[name].append(at)
    figure = new_figure(
        7.5,
        3.6,
        LIGHT,
        "Stuck pairs, and what became of the run",
        "26 letters · batches of 26 classes × 4 images to 5 × 32 · 400 steps",
        "Test kNN@20 of the representation against the share of same-class pairs of training images at a right angle. "
        "A point is a run. Dashed: raw pixels.",
    )
    axes = figure.subplots()
    dress(axes, LIGHT)
    for index, (name, label) in enumerate(FRONTIER.items()):
        if points := found.get(name):
            colour, marker = look(index, LIGHT)
            x, y = np.array(points).T
            axes.plot(x, y, marker, color=colour, markersize=5.5, alpha=0.8, markeredgewidth=0, label=label)
    axes.axhline(raw_pixels, color=LIGHT.muted, linewidth=0.9, linestyle="--")
    axes.axvline(STUCK_AT_END, color=LIGHT.accent, linewidth=0.9)
    axes.annotate("simo2 warns", (STUCK_AT_END * 1.07, 0.97), color=LIGHT.accent, fontsize=8, va="top")
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: "0.01% or less" if x <= 1e-4 else f"{100 * x:.4g}%"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))
    axes.set_ylim(0.1, 1.0)
    axes.set_xlabel("same-class pairs at a right angle")
    axes.legend(fontsize=8, frameon=False, labelcolor=LIGHT.ink, loc="lower left")
    return save(figure, path, dpi=110)
