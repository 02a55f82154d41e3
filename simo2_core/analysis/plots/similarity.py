"""The class-similarity heat map: which directions the classes took, the sign included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from simo2_core.analysis.geometry import (
    Floats,
    Labels,
    class_gram,
    mean_squared_cosine,
    most_confused_pairs,
)
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
    signed,
    signed_map,
)
from simo2_core.loss_floor import welch_floor

_VALUED_CLASSES = 20
"""Up to so many classes each cell holds its value."""

_TREE = 0.75
"""Inches that the tree is high."""

_NAMED_CLASSES = 150
"""Up to so many classes each row has its name."""


def block_order(gram: NDArray[np.float64]) -> NDArray[np.int64]:
    """An order of the classes that puts those that share a line, in either sense, next to each other.

    Average linkage on the distance 1 - |cosine|, leaves ordered so that neighbours are near (Bar-Joseph, Gifford and
    Jaakkola, 2001), by scipy. Classes without images come last.

    Args:
        gram: (c, c) signed cosines, see `class_gram`.

    Returns:
        (c,) a permutation.
    """
    known, tree = _tree(gram)
    unknown = np.flatnonzero(np.isnan(np.diag(gram)))
    if tree is not None:
        from scipy.cluster.hierarchy import leaves_list

        known = known[leaves_list(tree)]
    return np.concatenate([known, unknown]).astype(np.int64)


def _tree(gram: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """The classes that have images, and scipy's linkage of them; None for fewer than three."""
    known = np.flatnonzero(~np.isnan(np.diag(gram)))
    if len(known) < 3:
        return known, None
    from scipy.cluster.hierarchy import linkage, optimal_leaf_ordering

    apart = 1 - np.abs(gram[np.ix_(known, known)])[np.triu_indices(len(known), 1)]
    apart = np.clip(np.round(apart, 12), 0, 1)  # rounding must not decide which of two equals comes first
    tree: NDArray[np.float64] = linkage(apart, method="average")
    if len(known) <= 300:  # cubic in time: 1,000 classes would take minutes, and no eye would see it
        tree = optimal_leaf_ordering(tree, apart)
    return known, tree


def _draw_tree(axes: Axes, tree: NDArray[np.float64], classes: int, inches: float, theme: Theme) -> None:
    """The tree above the columns of the heat map, `inches` of `side` high; a fork's height is 1 - |cosine|."""
    from scipy.cluster.hierarchy import dendrogram

    above = axes.inset_axes((0.0, 1.012, 1.0, inches))
    drawn = dendrogram(tree, no_plot=True)
    for across, up in zip(drawn["icoord"], drawn["dcoord"], strict=True):
        above.plot(np.array(across) / 10 - 0.5, up, color=theme.muted, linewidth=0.9, solid_joinstyle="miter")
    above.set_xlim(-0.5, classes - 0.5)
    above.set_ylim(0, 1.04)
    above.set_facecolor("none")
    above.set_xticks([])
    above.set_yticks([0, 1], ["0", "1"], fontsize=6.5, color=theme.muted)
    above.tick_params(length=0)
    above.set_ylabel("1 − |cos|", fontsize=6.5, color=theme.muted, labelpad=1)
    for spine in above.spines.values():
        spine.set_visible(False)


@own_look
def draw_similarity(
    path: Path, embedding: Floats, labels: Labels, class_names: Sequence[str], caption: Caption, *, theme: Theme = LIGHT
) -> Path:
    """Draws the (c, c) signed cosines between class means; arguments and errors as for `draw_pca`.

    The classes are sorted into blocks by `block_order`, whose tree stands above them.
    """
    classes, dimensions = len(class_names), int(np.shape(embedding)[1])
    gram = class_gram(embedding, labels, classes)
    names = clean_all(class_names)
    notes = [describe_gram(gram, dimensions, names)]
    order = block_order(gram)
    notes.append("Classes are sorted so that those along one line, in either sense, are neighbours, as the tree says.")
    if np.isnan(gram).any():
        notes.append(f"Left blank, having no images: {int(np.isnan(np.diag(gram)).sum())} of {classes} classes.")
    pitch = 0.52 if classes <= _VALUED_CLASSES else 0.15 if classes <= 60 else 0.115
    side = max(3.2, pitch * classes) if classes <= _NAMED_CLASSES else 9.0
    longest = max(len(name) for name in names) if classes <= _NAMED_CLASSES else 0
    size = 8.5 if classes <= _VALUED_CLASSES else 7.0 if classes <= 60 else 5.4
    margin = longest * size * 0.0088
    # room for the names on two sides and for the scale
    width, height = max(side * 1.06 + margin + 1.45, 6.4), side + _TREE + margin + 0.75
    figure = new_figure(width, height, theme, "Class similarity: signed cosine of class means", str(caption), *notes)
    axes = figure.add_subplot()
    dress(axes, theme, grid=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    shown = gram[np.ix_(order, order)]
    image = axes.imshow(shown, cmap=signed_map(theme), vmin=-1, vmax=1, interpolation="nearest", aspect="equal")
    if classes <= _NAMED_CLASSES:
        _name_rows(axes, [names[i] for i in order], size, longest)
    else:
        axes.set_xlabel(f"{classes:,} classes")
        axes.set_ylabel(f"{classes:,} classes")
        axes.set_xticks([])
        axes.set_yticks([])
    if classes <= _VALUED_CLASSES:
        axes.set_xticks(np.arange(classes + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(classes + 1) - 0.5, minor=True)
        axes.grid(which="minor", color=theme.paper, linewidth=1.2)
        _write_values(axes, image, shown, theme)
    axes.tick_params(which="both", length=0)
    tree = _tree(gram)[1]
    if tree is not None:
        _draw_tree(axes, tree, classes, _TREE / side, theme)
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.ax.set_yticklabels(["−1 opposite", "−0.5", "0 orthogonal", "0.5", "1 the same"])
    bar.ax.tick_params(labelsize=8, colors=theme.muted, length=2)
    bar.outline.set_visible(False)
    return save(figure, path)


def describe_gram(gram: NDArray[np.float64], dimensions: int, names: Sequence[str]) -> str:
    """How far from orthogonal, in words: the worst pair, and mean cos² beside the least that is possible."""
    pairs = most_confused_pairs(gram, 1)
    if not pairs:
        return "There is no pair of classes to compare."
    first, second, cosine = pairs[0]
    floor = welch_floor(len(gram), dimensions)
    possible = (
        f"Welch's floor {floor:.4f} for {len(gram):,} classes in {dimensions} dimensions"
        if floor > 0
        else f"0 is possible: {len(gram):,} classes in {dimensions} dimensions"
    )
    return (
        f"Furthest from orthogonal: {names[first]} and {names[second]}, {signed(cosine)}. "
        f"Mean cos² of pairs {mean_squared_cosine(gram):.4f} ({possible})."
    )


def _name_rows(axes: Axes, names: list[str], size: float, longest: int) -> None:
    places = np.arange(len(names))
    axes.set_yticks(places, names, fontsize=size)
    axes.set_xticks(places, names, fontsize=size)
    if longest > 4:
        axes.tick_params(axis="x", labelrotation=90)


def _write_values(axes: Axes, image: AxesImage, shown: NDArray[np.float64], theme: Theme) -> None:
    for row in range(len(shown)):
        for column in range(len(shown)):
            value = float(shown[row, column])
            if not np.isfinite(value):
                continue
            dark = luminance(image.to_rgba(np.array([value]))[0]) < 0.25
            axes.text(
                column,
                row,
                signed(value),
                ha="center",
                va="center",
                fontsize=7.5,
                color="#FFFFFF" if dark else "#101418",
            )
