"""Accuracies of the encoder beside those of its baselines, and the matrix of confusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.ticker import FuncFormatter

from simo2_core.analysis.classification import Classification
from simo2_core.analysis.few_shot import Estimate
from simo2_core.analysis.plots.style import (
    LIGHT,
    Caption,
    Theme,
    clean_all,
    dress,
    luminance,
    new_figure,
    own_look,
    save,
)

_COUNTED_CLASSES = 20
"""Up to so many classes each cell holds its count."""

_NAMED_CLASSES = 150
"""Up to so many classes each row has its name."""


@dataclass(frozen=True)
class DotRow:
    """A metric that is a share in [0, 1]."""

    key: str
    label: str


@own_look
def draw_scores(
    path: Path,
    scores: Mapping[str, Mapping[str, Estimate]],
    rows: Sequence[DotRow],
    caption: str,
    notes: Sequence[str],
    *,
    theme: Theme = LIGHT,
) -> Path:
    """Draws a mark for each score, with its interval where it has one, as far as a share can go: from 0 to 1.

    Args:
        scores: by kind of features, then by `Row.key`.
        rows: from top to bottom.

    Raises:
        RunError: the file cannot be written.
    """
    figure = new_figure(8.4, 0.5 + 0.5 * len(rows), theme, "What the features are worth", caption, *notes)
    axes = figure.add_subplot()
    dress(axes, theme)
    axes.grid(visible=False, axis="y")
    looks = ((5, "o"), (6, "s"), (7, "D"), (0, "^"), (1, "v"))  # Okabe-Ito blue, vermilion, grey, sky, orange
    for place, (name, (colour, marker)) in enumerate(zip(scores, looks, strict=True)):
        drawn = [(y, scores[name][row.key]) for y, row in enumerate(rows) if row.key in scores[name]]
        down = np.array([y for y, _ in drawn]) + 0.17 * (place - (len(looks) - 1) / 2)
        means = np.array([score.mean for _, score in drawn])
        half = np.nan_to_num([score.interval for _, score in drawn])
        bars = np.maximum([means - np.maximum(means - half, 0), np.minimum(means + half, 1) - means], 0)
        axes.errorbar(
            means,
            down,
            xerr=bars,
            fmt=marker,
            color=theme.palette[colour],
            markersize=4.5,
            elinewidth=1.2,
            label=name.replace("_", " "),
        )
    for y in range(1, len(rows)):
        axes.axhline(y - 0.5, color=theme.faint, linewidth=0.6)
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(-0.01, 1.01)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.0f}%"))
    axes.tick_params(axis="y", labelsize=8.5, labelcolor=theme.ink, length=0)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        fontsize=8.5,
        frameon=False,
        labelcolor=theme.ink,
        ncols=5,
        borderaxespad=0.2,
        columnspacing=1.2,
        handletextpad=0.2,
    )
    return save(figure, path)


@own_look
def draw_confusion(
    path: Path, found: Classification, class_names: Sequence[str], caption: Caption, how: str, *, theme: Theme = LIGHT
) -> Path:
    """Draws the (c, c) matrix of confusions, shaded by the share of the true class.

    Args:
        how: the classifier, in a few words.

    Raises:
        RunError: the file cannot be written.
    """
    from matplotlib.colors import LinearSegmentedColormap

    classes, names = len(class_names), clean_all(class_names)
    worst = [f"{names[i]} taken for {names[j]} ({count})" for i, j, count in found.worst_confusions(3)]
    right = int(np.trace(found.confusion))
    total = int(found.confusion.sum())
    notes = [
        f"{how}: {right:,} of {total:,} right, {right / total:.2%}. Shade: share of the row.",
        f"Most often: {', '.join(worst)}." if worst else "No image is taken for another class.",
    ]
    named = classes <= _NAMED_CLASSES
    pitch = 0.46 if classes <= _COUNTED_CLASSES else 0.15 if classes <= 60 else 0.115
    size = 8.5 if classes <= _COUNTED_CLASSES else 7.0 if classes <= 60 else 5.4
    margin = max(map(len, names)) * size * 0.0088 if named else 0.0
    side = max(3.2, pitch * classes) if named else 9.0
    figure = new_figure(max(side + margin + 0.9, 6.6), side + margin + 0.6, theme, "Confusions", str(caption), *notes)
    axes = figure.add_subplot()
    dress(axes, theme, grid=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    share = found.confusion / np.maximum(found.images, 1)[:, None]
    colours = LinearSegmentedColormap.from_list("share", [theme.classes.middle, theme.classes.low], N=255)
    image = axes.imshow(share, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
    axes.tick_params(which="both", length=0)
    axes.set_xlabel("taken for")
    axes.set_ylabel("true class")
    if named:
        axes.set_xticks(range(classes), names, fontsize=size, rotation=90 if max(map(len, names)) > 4 else 0)
        axes.set_yticks(range(classes), names, fontsize=size)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    if classes <= _COUNTED_CLASSES:
        for row, column in zip(*np.nonzero(found.confusion), strict=True):
            dark = luminance(image.to_rgba(np.array([share[row, column]]))[0]) < 0.25
            axes.text(
                column,
                row,
                f"{found.confusion[row, column]:,}",
                ha="center",
                va="center",
                fontsize=7.5,
                color="#FFFFFF" if dark else "#101418",
            )
    return save(figure, path)
