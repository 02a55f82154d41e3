"""Histogram of the signed cosines between images of the same class and of different classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import NDArray

from simo2_core.analysis.geometry import Floats, Labels, cosine_distributions
from simo2_core.analysis.plots.style import LIGHT, Caption, Theme, blend, dress, new_figure, own_look, save, signed

_LEVELS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


@own_look
def draw_cosines(
    path: Path, embedding: Floats, labels: Labels, class_names: Sequence[str], caption: Caption, *, theme: Theme = LIGHT
) -> Path:
    """Draws the share of same-class and of different-class pairs by signed cosine; arguments as for `draw_pca`.

    Heights are on a square-root scale, so that two pairs in a hundred that settled opposite are seen beside the rest.

    Raises:
        RunError: the file cannot be written.
    """
    found = cosine_distributions(embedding, labels)
    dimensions, classes = int(np.shape(embedding)[1]), len(class_names)
    notes = [f"{classes:,} classes in {dimensions} dimensions. Wanted: same class at 1, different classes at 0."]
    if found.images < caption.images:
        notes.append(f"Pairs of {found.images:,} of the {caption.images:,} images, drawn at random.")
    figure = new_figure(8.4, 4.6, theme, "Cosines between images", str(caption), *notes)
    axes = figure.add_subplot()
    dress(axes, theme)
    groups = (
        ("different classes", found.different, found.different_mean, theme.palette[1]),
        ("same class", found.same, found.same_mean, theme.palette[5]),
    )
    highest = 0.0
    for word, counts, mean, colour in groups:
        pairs = int(counts.sum())
        if not pairs:
            continue
        share = counts / pairs
        highest = max(highest, float(share.max()))
        ink = blend(colour, theme.ink, 0.3)
        axes.stairs(share, found.edges, fill=True, color=colour, alpha=0.35)
        label = f"{word}: {pairs:,} pairs, mean {signed(mean)}"
        if word == "different classes":
            label += f", mean |cos| {found.different_mean_abs:.2f}"
        axes.stairs(share, found.edges, color=ink, linewidth=1.3, label=label)
        axes.axvline(mean, color=ink, linewidth=1.2, linestyle=(0, (5, 3)))
    _scale(axes, highest)
    axes.set_xlabel("cosine between the embeddings of two images (bins of 0.025; dashed: mean)")
    axes.set_ylabel("share of pairs (square-root scale)")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        fontsize=8.5,
        frameon=False,
        labelcolor=theme.ink,
        ncols=2,
        borderaxespad=0.2,
        handlelength=1.4,
    )
    return save(figure, path)


def _scale(axes: Axes, highest: float) -> None:
    def bend(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sqrt(np.maximum(x, 0))

    axes.set_xlim(-1.02, 1.02)
    axes.set_xticks([-1, -0.5, 0, 0.5, 1], ["−1\nopposite", "−0.5", "0\northogonal", "0.5", "1\nthe same"])
    axes.set_yscale("function", functions=(bend, np.square))
    axes.set_ylim(0, min(max(highest, 0.02) * 1.12, 1.06))
    axes.yaxis.set_major_locator(FixedLocator([level for level in _LEVELS if level <= max(highest, 0.02) * 1.12]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g}%"))
