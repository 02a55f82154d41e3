"""The course of training: losses per pair against their floors, gradient, learning rate, accuracy and rank."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator, PercentFormatter
from numpy.typing import NDArray

from simo2_core.analysis.course import Course, Values
from simo2_core.analysis.plots.style import LIGHT, Theme, dress, heading, new_figure, own_look, save

BUCKETS = 600
"""Parts a long run is cut into, each drawn from its least to its greatest value: about two for a dot of a panel."""


def decimate(steps: NDArray[np.int64], values: Values, buckets: int = BUCKETS) -> tuple[NDArray[np.int64], Values]:
    """At most two points a bucket, its least and its greatest in their order, so that a spike of one step survives.

    Args:
        steps: (s,) ascending.
        values: (s,) may hold NaN and infinities: they are left out here, see `draw_curves` for how they are shown.
    """
    finite = np.isfinite(values)
    steps, values = steps[finite], values[finite]
    if len(steps) <= 2 * buckets:
        return steps, values
    edges = np.linspace(0, len(steps), buckets + 1).astype(np.int64)
    kept = set()
    for start, stop in itertools.pairwise(edges):
        kept.add(start + int(np.argmin(values[start:stop])))
        kept.add(start + int(np.argmax(values[start:stop])))
    rows = np.array(sorted(kept))
    return steps[rows], values[rows]


def running_median(steps: NDArray[np.int64], values: Values, points: int = 300) -> tuple[NDArray[np.int64], Values]:
    """The median of the finite values around each of at most `points` steps; a thirtieth of the run is around a step.

    A median, so that a spike, which the thin line shows, does not bend the thick one.

    Args:
        steps: (s,) ascending, s > 0.
        values: (s,).

    Returns:
        steps and medians, NaN where no value around is finite.
    """
    half = max(2, len(steps) // 60)
    at = np.unique(np.linspace(0, len(steps) - 1, points).astype(np.int64))
    medians = np.full(len(at), np.nan)
    for i, middle in enumerate(at):
        around = values[max(0, middle - half) : middle + half + 1]
        around = around[np.isfinite(around)]
        if len(around):
            medians[i] = np.median(around)
    return steps[at], medians


@own_look
def draw_curves(path: Path, course: Course, title: str, *, theme: Theme = LIGHT) -> Path:
    """Draws a panel for each term of the loss, and four more.

    Steps whose value is not finite are marked at the top of their panel and counted.

    Args:
        title: what was trained, such as `digits · step 400`.

    Raises:
        RunError: the file cannot be written.
    """
    paired = any(term.pairs > 1 for term in course.terms.values())
    notes = [
        ("Losses are divided by their number of pairs; dashed: the least that a pair can cost. " if paired else "")
        + "Thin: each step, a long run from least to greatest; an arrow: far beyond. Thick: running median."
    ]
    if paired and course.classes_per_batch > course.dimensions:
        notes.append(
            f"{course.classes_per_batch} classes in {course.dimensions} dimensions cannot all be orthogonal: "
            "the floors of class means and of different classes cannot be reached."
        )
    notes += [course.damage] if course.damage else []
    columns = -(-(len(course.terms) + 4) // 2)
    figure = new_figure(3.6 * columns, 6.4, theme, "Training curves", title, *notes)
    panels = list(figure.subplots(2, columns).flat)
    for axes in panels[len(course.terms) + 4 :]:
        axes.set_visible(False)
    for axes in panels:
        dress(axes, theme)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        last = [*course.steps[-1:], *course.evaluated[-1:], 1]
        axes.set_xlim(0, max(last) * 1.02)
    colours = (theme.ink, theme.palette[2], theme.palette[5], theme.palette[6])
    for axes, (name, term), colour in zip(panels, course.terms.items(), colours, strict=False):
        heading(axes, f"Loss per pair: {term.title}" if term.pairs > 1 else f"Loss: {term.title}", theme)
        floor = None if term.floor is None else term.floor / term.pairs
        _steps_panel(axes, course.steps, course.losses[name] / term.pairs, colour, theme, floor=floor)
        axes.set_xlabel(f"step ({term.pairs:,.0f} pairs each)" if term.pairs > 1 else "step")
    gradient, rate, accuracy, rank = panels[len(course.terms) :][:4]
    heading(gradient, "Gradient norm, before clipping", theme)
    _steps_panel(gradient, course.steps, course.grad_norm, theme.palette[3], theme)
    heading(rate, "Learning rate", theme)
    rate.plot(*decimate(course.steps, course.learning_rate), color=theme.palette[7], linewidth=1.6)
    rate.set_ylim(bottom=0)
    rate.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:.3g}"))
    for axes in (gradient, rate, accuracy, rank):
        axes.set_xlabel("step")
    _accuracy_panel(accuracy, course, theme)
    _rank_panel(rank, course, theme)
    return save(figure, path)


def _steps_panel(
    axes: Axes, steps: NDArray[np.int64], values: Values, colour: str, theme: Theme, floor: float | None = None
) -> None:
    thin = len(steps) >= 60
    axes.plot(*decimate(steps, values), color=colour, linewidth=0.7 if thin else 1.4, alpha=0.45 if thin else 1.0)
    if thin:
        axes.plot(*running_median(steps, values), color=colour, linewidth=1.7)
    finite = values[np.isfinite(values)]
    usual = finite[finite <= usual_top(finite)]
    shown = np.append(usual, floor) if floor is not None else usual
    if len(shown) and shown.min() > 0 and shown.max() / shown.min() > 8:
        _log_axis(axes, float(shown.max() / shown.min()))
    elif len(shown):
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:.4g}"))
    if floor is not None:
        _level(axes, floor, f"floor {floor:.3g}", theme, above=False)
        axes.margins(y=0.12)
    if len(usual) < len(finite):
        _cut(axes, steps[np.isfinite(values) & (values > usual_top(finite))], shown, colour)
    broken = steps[~np.isfinite(values)]
    if len(broken):
        axes.plot(
            broken,
            np.full(len(broken), 0.965),
            "x",
            color=theme.accent,
            markersize=6,
            markeredgewidth=1.6,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
        )
        word = f"{len(broken):,} not finite, the first at step {broken[0]:,}"
        axes.text(0.98, 0.9, word, transform=axes.transAxes, ha="right", va="top", fontsize=8, color=theme.accent)


USUAL = 0.98
"""Share of the steps whose values are usual: what is higher may lie beyond the axis."""


def usual_top(values: Values) -> float:
    """Up to where finite values (n,) are shown: the first steps, or one, must not press all others flat.

    All of them, but where the usual ones would have less than half of the height.
    """
    if len(values) < 60:
        return float(np.inf)
    low, high = float(values.min()), float(np.quantile(values, USUAL))
    return float(np.inf) if values.max() <= high + (high - low) else high


def _cut(axes: Axes, beyond: NDArray[np.int64], shown: Values, colour: str) -> None:
    """Ends the axis above the usual values, with an arrow at each step that lies beyond it."""
    low, high = float(shown.min()), float(shown.max())
    if axes.get_yscale() == "log":
        margin = (high / low) ** 0.12
        axes.set_ylim(low / margin, high * margin)
    else:
        margin = 0.12 * (high - low)
        axes.set_ylim(low - margin, high + margin)
    axes.plot(
        beyond,
        np.full(len(beyond), 0.985),
        "^",
        color=colour,
        markersize=4,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
    )


def _log_axis(axes: Axes, span: float) -> None:
    axes.set_yscale("log")
    steps = (1.0,) if span > 300 else (1.0, 2.0, 5.0) if span > 12 else (1.0, 2.0, 3.0, 5.0, 7.0)
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=steps, numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: short(y)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def short(value: float) -> str:
    """`0.05`, `700`, `20k`, `5M`, `2e12`: a positive number of one significant digit, as short as it gets."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if unit <= value < 1e9:
            return f"{value / unit:g}{letter}"
    return f"{value:g}".replace("e+", "e").replace("e-0", "e-")


TOP = 0.09
"""Share of a panel's height that the name of a line takes: above a line nearer the top it would be in the title."""


def _level(axes: Axes, value: float, words: str, theme: Theme, *, above: bool = True, left: bool = False) -> None:
    """A dashed line across the panel, named at its right or left end; below it where it is at the panel's top."""
    low, high = axes.get_ylim()
    above = above and value < high - TOP * (high - low)
    axes.axhline(value, color=theme.muted, linewidth=1.0, linestyle=(0, (5, 3)), zorder=1)
    axes.annotate(
        words,
        (0.0 if left else 1.0, value),
        xycoords=("axes fraction", "data"),
        xytext=(4 if left else -2, 2 if above else -2),
        textcoords="offset points",
        ha="left" if left else "right",
        va="bottom" if above else "top",
        fontsize=7.5,
        color=theme.muted,
    )


def _accuracy_panel(axes: Axes, course: Course, theme: Theme) -> None:
    heading(axes, "kNN@20 on validation", theme)
    known = [*course.knn_representation, *course.knn_projection, course.knn_raw_pixels]
    known += [course.test[1]] if course.test else []
    finite = [value for value in known if np.isfinite(value)]
    for values, word, marker, colour in (
        (course.knn_representation, "representation", "o", theme.palette[5]),
        (course.knn_projection, "projection", "^", theme.palette[6]),
    ):
        axes.plot(
            course.evaluated,
            values,
            color=colour,
            marker=marker,
            markersize=_marker_size(course),
            linewidth=1.4,
            label=word,
        )
    if course.test:
        axes.plot(*course.test, "*", color=theme.accent, markersize=10, label="test (representation)", clip_on=False)
    if finite:
        low, high = min(finite), max(finite)
        room = max(high - low, 0.02) * 0.12
        axes.set_ylim(max(low - 3 * room, -0.02), min(high + room, 1.02))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    if np.isfinite(course.knn_raw_pixels):
        # on the left, where accuracy has not risen yet
        _level(axes, course.knn_raw_pixels, f"raw pixels {course.knn_raw_pixels:.1%}", theme, left=True)
    axes.legend(loc="lower right", fontsize=7, frameon=False, labelcolor=theme.ink, ncols=3, handlelength=1.2,
                columnspacing=0.8, handletextpad=0.4, borderaxespad=0.2)  # fmt: skip


def _marker_size(course: Course) -> float:
    return 3.5 if len(course.evaluated) <= 60 else 0.0


def _rank_panel(axes: Axes, course: Course, theme: Theme) -> None:
    heading(axes, "Effective rank of the projection", theme)
    axes.plot(
        course.evaluated,
        course.effective_rank,
        color=theme.palette[2],
        marker="s",
        markersize=_marker_size(course),
        linewidth=1.4,
    )
    most = min(course.classes, course.dimensions)
    why = f"{course.classes} classes" if course.classes <= course.dimensions else f"{course.dimensions} dimensions"
    finite = course.effective_rank[np.isfinite(course.effective_rank)]
    axes.set_ylim(0, max(float(finite.max()) if finite.size else 0.0, most) * 1.15)
    _level(axes, most, f"{why}, one direction each" if most == course.classes else f"all {why}", theme)
    _level(axes, 1, "collapsed to a line", theme)
