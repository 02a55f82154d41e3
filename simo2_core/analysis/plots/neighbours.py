"""Images beside their nearest neighbours in the embedding: what the encoder takes for alike, right and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.geometry import Floats, Labels
from simo2_core.analysis.plots.mosaic import Mosaic
from simo2_core.analysis.plots.style import LIGHT, Caption, Theme, clean_all, new_figure, own_look, save, signed
from simo2_core.errors import DataError

NEIGHBOURS = 5
"""Of each query."""
_ROWS = 10
"""Queries in one block."""
_BLOCKS = 2
_TILE = 0.62
"""Inches."""


def choose_queries(labels: Labels, at_most: int, wrong: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows to ask about: of each class in turn first one whose nearest neighbour is right, then one where it is wrong.

    Args:
        labels: (n,) integers.
        at_most: rows to choose.
        wrong: (n,) whether the nearest neighbour is of another class.

    Returns:
        (m,) rows, sorted by class; the first ones of each class and kind.
    """
    turns: list[list[int]] = [[], []]
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        for turn, some in zip(turns, (mine[~wrong[mine]], mine[wrong[mine]]), strict=True):
            turn += some[:1].tolist()
    half = at_most // 2
    mistakes = _evenly(turns[1], max(half, at_most - len(turns[0])))
    chosen = np.array(_evenly(turns[0], at_most - len(mistakes)) + mistakes, np.int64)
    return chosen[np.lexsort((chosen, labels[chosen]))]


def _evenly(rows: list[int], at_most: int) -> list[int]:
    if len(rows) <= at_most:
        return rows
    return [rows[place] for place in np.linspace(0, len(rows) - 1, at_most).round().astype(int)]


def nearest(embedding: Floats, queries: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The `count` rows nearest to each query by cosine, itself left out, and their cosines: (q, count) each."""
    rows_nd = np.asarray(embedding, np.float64)
    rows_nd = rows_nd / np.maximum(np.linalg.norm(rows_nd, axis=1, keepdims=True), 1e-12)
    cosine_qn = rows_nd[queries] @ rows_nd.T
    cosine_qn[np.arange(len(queries)), queries] = -np.inf
    found = np.argsort(-cosine_qn, axis=1, kind="stable")[:, :count]
    return found, np.take_along_axis(cosine_qn, found, axis=1)


@own_look
def draw_neighbours(
    path: Path,
    embedding: Floats,
    labels: Labels,
    class_names: Sequence[str],
    caption: Caption,
    images: NDArray[np.uint8],
    *,
    theme: Theme = LIGHT,
) -> Path:
    """Draws queries, each with its five nearest neighbours among the other images of the embedding.

    Args:
        embedding: (n, d) finite.
        labels: (n,) integers in [0, len(class_names)).
        images: (n, h, w, ch), row for row those of the embedding.

    Raises:
        DataError: fewer than two images.
        RunError: the file cannot be written.
    """
    labels_n = np.asarray(labels)
    if len(labels_n) < 2:
        raise DataError("the embedding holds one image; a picture of neighbours needs two.")
    every, _ = nearest(embedding, np.arange(len(labels_n)), 1)
    wrong = labels_n[every[:, 0]] != labels_n
    queries = choose_queries(labels_n, _ROWS * _BLOCKS, wrong)
    found, cosines = nearest(embedding, queries, min(NEIGHBOURS, len(labels_n) - 1))
    names = clean_all(class_names, 12)
    blocks = -(-len(queries) // _ROWS)
    rows = -(-len(queries) // blocks)
    note = _note(found.shape[1], len(labels_n) - 1, 1 - wrong.mean())
    across = found.shape[1] + 1
    sheet = Mosaic(gap=0.34)
    margin = 0.3 + 0.15 * max(len(name) for name in names)  # tiles, for the names
    width = max(blocks * ((across + 0.1) * 1.34 + margin) * _TILE, 5.6)
    figure = new_figure(width, rows * 1.34 * _TILE + 0.1, theme, "Nearest neighbours", str(caption), note)
    panels = figure.subplots(1, blocks, squeeze=False)[0]
    for block, axes in enumerate(panels):
        mine = range(block * rows, min(len(queries), (block + 1) * rows))
        tiles: list[list[NDArray[Any] | None]] = [
            [images[queries[q]] / 255, *(images[row] / 255 for row in found[q])] for q in mine
        ]
        sheet.draw(axes, tiles + [[None]] * (rows - len(tiles)), theme)
        axes.set_xlim(-margin, sheet.at(across))
        for place, q in enumerate(mine):
            own = int(labels_n[queries[q]])
            axes.text(-0.18, sheet.at(place) + 0.5, names[own], ha="right", va="center", fontsize=8, color=theme.ink)
            for column, row in enumerate(found[q], start=1):
                right = int(labels_n[row]) == own
                colour = theme.classes.low if right else theme.classes.high
                sheet.frame(axes, place, column, colour)
                word = f"✓ {signed(float(cosines[q, column - 1]))[1:]}" if right else f"✗ {names[int(labels_n[row])]}"
                axes.text(
                    sheet.at(column) + 0.5, sheet.at(place) + 1.03, word, ha="center", va="top", fontsize=5.6,
                    color=colour, fontweight="bold",
                )  # fmt: skip
    return save(figure, path)


def _note(shown: int, others: int, right: float) -> str:
    return (
        f"First the query, then its {shown} nearest among the other {others:,} images, with the cosine. ✓ and blue: of "
        "its class; ✗ and orange: of another, named. Of all images the nearest neighbour is right for "
        f"{right:.1%}; shown are some of either kind, where there are any."
    )
