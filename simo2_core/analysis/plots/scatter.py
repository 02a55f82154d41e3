"""The embedding as points in the plane: principal components, and t-SNE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from simo2_core.analysis.geometry import Floats, Labels
from simo2_core.analysis.plots.labels import class_points, write_labels
from simo2_core.analysis.plots.style import (
    LIGHT,
    Caption,
    Theme,
    class_look,
    clean_all,
    dress,
    new_figure,
    own_look,
    save,
)
from simo2_core.analysis.reduce import pca_2d, sample_by_class, tsne_2d, umap_2d
from simo2_core.palette import DISTINCT

PCA_IMAGES = 4000
"""Points drawn at most: more only lie on top of each other."""

TSNE_IMAGES = 1500
"""Points laid out at most: t-SNE takes some 5 s for these on one core."""

_BOXED_CLASSES = 20
"""Up to so many classes a name at its place gets a frame in its colour; frames of more would hide the points."""

_LEGEND_ROWS = 34
_FINE_ROWS = 46
"""Rows of a legend of very many classes, in smaller type."""

_NAMED_CLASSES = 60
"""Classes named where they lie when there are too many for a legend: the densest ones."""


@own_look
def draw_pca(
    path: Path,
    embedding: Floats,
    labels: Labels,
    class_names: Sequence[str],
    caption: Caption,
    *,
    theme: Theme = LIGHT,
) -> Path:
    """Draws the embedding in the plane of its two principal components, found from all images.

    Args:
        embedding: (n, d) finite.
        labels: (n,) integers in [0, len(class_names)).

    Raises:
        DataError: the embedding cannot be drawn.
        RunError: the file cannot be written.
    """
    plane = pca_2d(embedding)
    kept = sample_by_class(labels, PCA_IMAGES)
    axis = [f"PC{i + 1} ({share:.0%} of the variance)" for i, share in enumerate(plane.explained)]
    note = f"Principal components of the {np.shape(embedding)[1]} dimensions of the projection, centred."
    points, shown = plane.points[kept], np.asarray(labels)[kept]
    figure, axes = _scatter(points, shown, class_names, caption, "PCA of the embedding", note, theme)
    axes.set_xlabel(axis[0])
    axes.set_ylabel(axis[1])
    return _finish(figure, axes, points, shown, class_names, path, theme)


@own_look
def draw_tsne(
    path: Path,
    embedding: Floats,
    labels: Labels,
    class_names: Sequence[str],
    caption: Caption,
    *,
    seed: int = 0,
    theme: Theme = LIGHT,
) -> Path:
    """Draws a t-SNE of the embedding; arguments and errors as for `draw_pca`."""
    kept = sample_by_class(labels, TSNE_IMAGES)
    points, perplexity = tsne_2d(np.asarray(embedding)[kept], seed=seed)
    note = (
        f"Perplexity {perplexity:.3g}, seed {seed}. Neighbours are kept; the axes have no unit, and neither the size "
        "of a group nor the distance between groups means anything."
    )
    return _layout(path, points, np.asarray(labels)[kept], class_names, caption, "t-SNE", note, theme)


@own_look
def draw_umap(
    path: Path,
    embedding: Floats,
    labels: Labels,
    class_names: Sequence[str],
    caption: Caption,
    *,
    seed: int = 0,
    theme: Theme = LIGHT,
) -> Path:
    """Draws a UMAP of the embedding; arguments and errors as for `draw_pca`; ConfigError without umap-learn."""
    kept = sample_by_class(labels, PCA_IMAGES)
    points, neighbours = umap_2d(np.asarray(embedding)[kept], seed=seed)
    note = (
        f"{neighbours} neighbours by cosine, seed {seed}. Neighbours are kept; the axes have no unit, and neither the "
        "size of a group nor the distance between groups means anything."
    )
    return _layout(path, points, np.asarray(labels)[kept], class_names, caption, "UMAP", note, theme)


def _layout(
    path: Path,
    points: NDArray[np.float64],
    shown: Labels,
    class_names: Sequence[str],
    caption: Caption,
    method: str,
    note: str,
    theme: Theme,
) -> Path:
    """A scatter whose axes have no unit."""
    figure, axes = _scatter(points, shown, class_names, caption, f"{method} of the embedding", note, theme)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(f"{method} 1 (no unit)")
    axes.set_ylabel(f"{method} 2 (no unit)")
    return _finish(figure, axes, points, shown, class_names, path, theme)


def _scatter(
    points: NDArray[np.float64],
    labels: Labels,
    class_names: Sequence[str],
    caption: Caption,
    title: str,
    note: str,
    theme: Theme,
) -> tuple[Figure, Axes]:
    notes = [note]
    if len(class_names) > DISTINCT:
        named = (
            f"of the {len(class_names):,} at most {_NAMED_CLASSES} that keep to themselves are named."
            if _places(points, labels, len(class_names))
            else f"none of the {len(class_names):,} is named, for nearly all of them mix."
        )
        notes.append(f"Colours and markers repeat after {DISTINCT} classes; {named}")
    if len(points) < caption.images:
        notes.append(f"{len(points):,} of the {caption.images:,} images are drawn, evenly from all classes.")
    figure = new_figure(7.2, 6.4, theme, title, str(caption), *notes)
    axes = figure.add_subplot()
    dress(axes, theme)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.06)
    size = float(np.clip(9000 / max(len(points), 1), 7, 42))
    for label in np.unique(labels):
        mine, look = points[labels == label], class_look(int(label), len(class_names), theme)
        axes.scatter(mine[:, 0], mine[:, 1], s=size, alpha=0.9, **look.points())
    return figure, axes


def _finish(
    figure: Figure,
    axes: Axes,
    points: NDArray[np.float64],
    labels: Labels,
    class_names: Sequence[str],
    path: Path,
    theme: Theme,
) -> Path:
    """Names the classes, where they lie if all have a place of their own, in a legend if not, and writes the file."""
    classes = len(class_names)
    names = clean_all(class_names)
    colours = [class_look(label, classes, theme).colour for label in range(classes)]
    places = _places(points, labels, classes)
    present = {int(label) for label in np.unique(labels)}
    size = 9.0 if classes <= _BOXED_CLASSES else 7.5 if classes <= 50 else 6.0

    def write() -> set[int]:
        for text in list(axes.texts):
            text.remove()
        figure.draw_without_rendering()  # gives the axes their place, which the labels need
        return write_labels(axes, places, points, names, colours, theme, size=size, boxed=classes <= _BOXED_CLASSES)

    if write() != present and classes <= DISTINCT:
        _legend(figure, class_names, sorted(present), theme)
        write()
    return save(figure, path)


def _places(points: NDArray[np.float64], labels: Labels, classes: int) -> dict[int, NDArray[np.float64]]:
    """Where the names of classes may stand."""
    places = class_points(points, labels)
    if 10 * len(places) < len(np.unique(labels)):
        return {}  # where nearly all classes mix, a few names in the crowd only mislead
    return dict(list(places.items())[:_NAMED_CLASSES]) if classes > DISTINCT else places


def _legend(figure: Figure, class_names: Sequence[str], present: list[int], theme: Theme) -> None:
    fine = len(present) > 2 * _LEGEND_ROWS
    columns = -(-len(present) // (_FINE_ROWS if fine else _LEGEND_ROWS))
    names, size = clean_all(class_names, 16 if fine else 24), 5.6 if fine else 7.0
    looks = {label: class_look(label, len(names), theme) for label in present}
    handles = [
        Line2D([], [], markersize=0.7 * size, label=names[label], **look.legend()) for label, look in looks.items()
    ]
    widest = max(len(names[label]) for label in present)
    width, height = figure.get_size_inches()
    # the scatter keeps its size: the figure grows by what the legend needs
    figure.set_size_inches(width + columns * (0.34 + 0.0095 * size * widest), height)
    figure.legend(
        handles=handles,
        loc="outside right center",
        ncols=columns,
        frameon=False,
        fontsize=size,
        labelcolor=theme.ink,
        columnspacing=1.0,
        handletextpad=0.2,
        labelspacing=0.35,
    )
