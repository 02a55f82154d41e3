"""How the classes lie against each other, two at a time: orthogonal, along one line, or opposite."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from numpy.typing import NDArray

from simo2_core.analysis.geometry import Floats, Labels, class_gram, class_means, most_confused_pairs
from simo2_core.analysis.plots.style import (
    LIGHT,
    Caption,
    Look,
    Theme,
    blend,
    class_look,
    clean_all,
    heading,
    new_figure,
    own_look,
    save,
    signed,
)
from simo2_core.analysis.reduce import sample_by_class
from simo2_core.errors import DataError

MOST_PAIRS = 45
"""Panels at most: every pair of ten classes, or the most confused of more."""

_CLASS_IMAGES = 60
"""Points of a class drawn in a panel at most."""

_ALARM = 0.5
"""|cosine| from which a panel's title is in the accent colour."""

_PARALLEL = 0.05
"""Sine of the angle below which two means span no plane worth the name."""


def pair_plane(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """The plane in which two classes are shown: the one that their means span, the first mean along its first axis.

    The second axis points to the side of the second mean, so an angle in the picture is the angle between the means.
    When the means lie along one line they span no plane: the second axis is then the direction at right angles to it
    in which the two classes spread most.

    Args:
        first: (n, d) rows of one class.
        second: (m, d) rows of the other.

    Returns:
        (2, d) orthonormal rows; a row of zeros where there is no such direction.
    """
    axis = _unit(first.mean(axis=0))
    towards = _unit(second.mean(axis=0))
    across = towards - (towards @ axis) * axis
    if np.linalg.norm(across) < _PARALLEL:
        both = np.concatenate([first, second])
        rest = both - np.outer(both @ axis, axis)
        across = np.linalg.svd(rest - rest.mean(axis=0), full_matrices=False)[2][0]
        across = across - (across @ axis) * axis
        across = across * (np.sign(across[np.argmax(np.round(np.abs(across), 9))]) or 1.0)
    return np.stack([axis, _unit(across)])


@own_look
def draw_pairs(
    path: Path, embedding: Floats, labels: Labels, class_names: Sequence[str], caption: Caption, *, theme: Theme = LIGHT
) -> Path:
    """Draws a panel for each pair of up to ten classes, or for the 45 most confused pairs of more.

    Arguments and errors as for `draw_pca`; also DataError when there are not two classes with images.
    """
    embedding_nd, labels_n = np.asarray(embedding, np.float64), np.asarray(labels)
    classes = len(class_names)
    gram = class_gram(embedding_nd, labels_n, classes)
    possible = [(i, j) for i, j in combinations(range(classes), 2) if np.isfinite(gram[i, j])]
    if not possible:
        raise DataError("the embedding holds images of one class; a picture of class pairs needs two classes.")
    pairs = possible
    if len(possible) > MOST_PAIRS:
        pairs = [(i, j) for i, j, _ in most_confused_pairs(gram, MOST_PAIRS)]
    notes = [
        "Each panel: the plane of two class means in the unit circle, the first class to the right, with the signed "
        "cosine of the means. Arrows along the means: orthogonal at right angles, opposite apart, alike together."
    ]
    if len(pairs) < len(possible):
        notes.append(f"The {len(pairs)} pairs furthest from orthogonal, of {len(possible):,}, the worst first.")
    largest = max(int(np.sum(labels_n == label)) for label in {i for pair in pairs for i in pair})
    if largest > _CLASS_IMAGES:
        notes.append(
            f"At most {_CLASS_IMAGES} of a class's images are drawn, of up to {largest:,}; the means are of all."
        )
    columns = min(len(pairs), 9) if len(pairs) > 20 else min(len(pairs), 5)
    rows = -(-len(pairs) // columns)
    panel = 1.62 if columns > 5 else 2.1 if len(pairs) > 1 else 4.6
    names = clean_all(class_names, 22)
    size = 7.0 if columns > 5 else 8.5
    fits = panel * 125 / size  # characters of that size across a panel
    stacked = max(len(names[i]) + len(names[j]) for i, j in pairs) + 3 > fits
    title = size / 72 * (4.4 if stacked else 3.1)
    figure = new_figure(max(columns * panel, 4.6), rows * (panel + title), theme, "Class pairs", str(caption), *notes)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    blocks = {label: embedding_nd[labels_n == label] for label in {i for pair in pairs for i in pair}}
    means = class_means(embedding_nd, labels_n, classes)
    for axes, (i, j) in zip(panels, pairs, strict=False):
        plane = pair_plane(blocks[i], blocks[j])
        for label in (i, j):
            shown = blocks[label][sample_by_class(np.zeros(len(blocks[label]), np.int64), _CLASS_IMAGES)]
            look = class_look(label, classes, theme)
            _draw_class(axes, shown @ plane.T, _unit(plane @ means[label]), look, panel, theme)
        _frame(axes, theme)
        cosine = float(gram[i, j])
        words = f"{names[i]}{chr(10) if stacked else ' · '}{names[j]}\n{signed(cosine)}"
        heading(axes, words, theme, size=size, alarm=abs(cosine) >= _ALARM)
    for axes in panels[len(pairs) :]:
        axes.set_visible(False)
    return save(figure, path)


def _draw_class(
    axes: Axes,
    points: NDArray[np.float64],
    mean: NDArray[np.float64],
    look: Look,
    panel: float,
    theme: Theme,
) -> None:
    axes.scatter(points[:, 0], points[:, 1], s=4.5 * panel, alpha=0.8, zorder=2, **look.points(0.3))
    axes.annotate(
        "", xy=(float(mean[0]), float(mean[1])), xytext=(0, 0), zorder=3,
        arrowprops={"arrowstyle": "-|>", "color": blend(look.colour, theme.ink, 0.6), "linewidth": 1.3,
                    "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9},
    )  # fmt: skip


def _frame(axes: Axes, theme: Theme) -> None:
    axes.set_facecolor(theme.paper)
    axes.add_patch(Circle((0, 0), 1, fill=False, edgecolor=theme.muted, linewidth=0.6, alpha=0.7))
    axes.axhline(0, color=theme.faint, linewidth=0.6, zorder=0)
    axes.axvline(0, color=theme.faint, linewidth=0.6, zorder=0)
    axes.set_xlim(-1.1, 1.1)
    axes.set_ylim(-1.1, 1.1)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-12 else np.zeros_like(vector)
