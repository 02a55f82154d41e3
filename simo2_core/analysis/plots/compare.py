"""Arms of a comparison side by side: their scores, their course in time, and where their classes went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from simo2_core.analysis.geometry import mean_squared_cosine
from simo2_core.analysis.plots.style import LIGHT, Theme, clean, dress, heading, new_figure, own_look, save, signed_map

Values = NDArray[np.float64]

PER_ROW = 4
"""Panels beside each other."""
IN_MINUTES = 600
"""Seconds from which on time is told in minutes."""


@dataclass(frozen=True, eq=False)
class Score:
    """One metric of every arm."""

    title: str
    values: Mapping[str, Values]
    """By arm, one number a seed."""
    intervals: Mapping[str, float]
    """By arm, half the width of the 95% interval of the mean, or NaN."""
    share: bool
    """Whether it is a share in [0, 1], shown as a percentage."""


def look(index: int, theme: Theme) -> tuple[str, str]:
    """Colour and marker of an arm: the same in all pictures of a comparison."""
    order = (5, 6, 2, 3, 1, 0, 7, 9, 8)  # the darker half of the palette first: these are lines on paper
    return theme.palette[order[index % len(order)]], "osD^vPX<>"[index % 9]


@own_look
def draw_arms(path: Path, scores: Sequence[Score], caption: str, *notes: str, theme: Theme = LIGHT) -> Path:
    """Draws a panel for each score: a dot for each seed, the mean and its 95% interval, an arrow where that goes on.

    Raises:
        RunError: the file cannot be written.
    """
    arms = list(scores[0].values)
    names = [clean(arm, 34) for arm in arms]
    columns = min(PER_ROW, len(scores))
    rows = -(-len(scores) // columns)
    margin = 0.075 * max(map(len, names))
    figure = new_figure(
        margin + 2.35 * columns, rows * (0.75 + 0.3 * len(arms)), theme, "What the objectives come to", caption, *notes
    )
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in panels.flat[len(scores) :]:
        axes.set_visible(False)
    for axes, score in zip(panels.flat, scores, strict=False):
        dress(axes, theme)
        heading(axes, score.title, theme)
        limits = _limits(score)
        for y, arm in enumerate(arms):
            values, (colour, marker) = score.values[arm], look(y, theme)
            axes.plot(values, np.full(len(values), y), "o", color=colour, alpha=0.35, markersize=3.5, markeredgewidth=0)
            if len(values):
                _interval(axes, y, float(values.mean()), float(np.nan_to_num(score.intervals[arm])), limits, colour)
                axes.plot([values.mean()], [y], marker, color=colour, markersize=6)
        axes.grid(visible=False, axis="y")
        axes.set_ylim(len(arms) - 0.5, -0.5)
        axes.set_xlim(*limits)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        if score.share:
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.4g}%"))
    for axes in panels[:, 0]:
        axes.set_yticks(range(len(arms)), names, fontsize=8.5)
        axes.tick_params(axis="y", labelcolor=theme.ink, length=0)
    return save(figure, path)


def _interval(axes: Axes, y: int, mean: float, half: float, limits: tuple[float, float], colour: str) -> None:
    """A bar with a cap at each end, or, where it goes on beyond the panel, an arrow head at the panel's edge."""
    room = 0.015 * (limits[1] - limits[0])
    low, high = max(mean - half, limits[0] + room), min(mean + half, limits[1] - room)
    axes.plot([low, high], [y, y], color=colour, linewidth=1.4, solid_capstyle="butt")
    for end, whole, outward in ((low, mean - half, "<"), (high, mean + half, ">")):
        axes.plot([end], [y], "|" if end == whole else outward, color=colour, markersize=6 if end == whole else 4.5)


def _limits(score: Score) -> tuple[float, float]:
    """All seeds, and of a wide interval no more than as far again as they reach; a share ends at 1."""
    every = np.concatenate(list(score.values.values()))
    every = every[np.isfinite(every)]
    if not len(every):
        return 0.0, 1.0
    low, high = float(every.min()), float(every.max())
    reach = max(high - low, 1e-3 * abs(high)) or 1.0  # all 0, as shares of opposite classes mostly are
    wide = max([0.2 * reach, *(w for w in score.intervals.values() if np.isfinite(w))])
    pad = min(wide, reach)
    return low - pad, min(high + pad, 1 + 0.03 * reach) if score.share else high + pad


@own_look
def draw_course(
    path: Path, courses: Mapping[str, Sequence[tuple[Values, Values]]], caption: str, *, theme: Theme = LIGHT
) -> Path:
    """Draws validation kNN against the time of training: each seed thin, the mean thick.

    Args:
        courses: by arm, (seconds, accuracy) of each seed, seconds ascending.

    Raises:
        RunError: the file cannot be written.
    """
    figure = new_figure(8.4, 4.2, theme, "Validation kNN against time", caption, "Thin: each seed. Thick: their mean.")
    axes = figure.add_subplot()
    dress(axes, theme)
    longest = max((float(seconds[-1]) for seeds in courses.values() for seconds, _ in seeds), default=0.0)
    unit, unit_seconds = ("minutes", 60) if longest >= IN_MINUTES else ("seconds", 1)
    for index, (arm, seeds) in enumerate(courses.items()):
        if not seeds:
            continue
        colour, marker = look(index, theme)
        for seconds, accuracy in seeds:
            axes.plot(seconds / unit_seconds, accuracy, color=colour, linewidth=0.7, alpha=0.35)
        length = min(len(seconds) for seconds, _ in seeds)  # evaluations fall on the same steps
        mean_seconds = np.mean([seconds[:length] for seconds, _ in seeds], axis=0)
        mean_accuracy = np.mean([accuracy[:length] for _, accuracy in seeds], axis=0)
        axes.plot(
            mean_seconds / unit_seconds,
            mean_accuracy,
            color=colour,
            linewidth=1.8,
            marker=marker,
            markersize=4.5,
            label=clean(arm, 40),
        )
    axes.set_xlim(left=0)
    axes.set_xlabel(f"{unit} of training, without compilation and evaluation")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))
    axes.set_ylabel("validation kNN@20 of the representation")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8.5, frameon=False, labelcolor=theme.ink)
    return save(figure, path)


@own_look
def draw_grams(
    path: Path, grams: Mapping[str, Values], what: Mapping[str, str], caption: str, *, theme: Theme = LIGHT
) -> Path:
    """Draws the (c, c) signed cosines of class means of each arm, on one scale.

    Args:
        what: by arm, whose class means they are.

    Raises:
        RunError: the file cannot be written.
    """
    rows = -(-len(grams) // (PER_ROW + 1))
    columns = -(-len(grams) // rows)
    figure = new_figure(
        2.3 * columns + 0.9,
        3.0 * rows,
        theme,
        "Class similarity: signed cosine of class means",
        caption,
        "Orthogonal classes leave everything but the diagonal without colour.",
    )
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(grams) :]:
        axes.set_visible(False)
    image = None
    for axes, (arm, gram) in zip(panels.flat, grams.items(), strict=False):
        dress(axes, theme, grid=False)
        heading(axes, clean(arm, 30), theme)
        image = axes.imshow(gram, cmap=signed_map(theme), vmin=-1, vmax=1, interpolation="nearest", aspect="equal")
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_xticks([])
        axes.set_yticks([])
        worst = float(np.abs(gram - np.diag(np.diag(gram))).max())
        axes.set_xlabel(f"{what[arm]}\nmax |cos| {worst:.2f} · mean cos² {mean_squared_cosine(gram):.3f}", fontsize=8)
    figure.get_layout_engine().set(hspace=0.08)  # type: ignore[union-attr,call-arg]
    assert image is not None
    bar = figure.colorbar(image, ax=panels, fraction=0.025, pad=0.02, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["−1", "0", "1"])
    bar.ax.tick_params(labelsize=8, colors=theme.muted, length=2)
    bar.outline.set_visible(False)
    return save(figure, path)
