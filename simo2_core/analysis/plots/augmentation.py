"""Images beside what training sees of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.plots.mosaic import Mosaic
from simo2_core.analysis.plots.style import LIGHT, Theme, new_figure, own_look, save

_TILE = 0.72
"""Inches."""
_APART = 0.25
"""Tiles between the image and its draws."""


@own_look
def draw_augmentation(
    path: Path,
    images: NDArray[np.uint8],
    views: NDArray[np.floating[Any]],
    caption: str,
    note: str,
    *,
    theme: Theme = LIGHT,
) -> Path:
    """Draws a row for each image: itself, and draws of its augmentation.

    Args:
        images: (n, h, w, ch) as they are.
        views: (n, k, h, w, ch) in [0, 1].
        note: what is done to them.

    Raises:
        RunError: the file cannot be written.
    """
    count = views.shape[1]
    sheet = Mosaic(gap=0.1)
    tiles: list[list[NDArray[Any] | None]] = [[image / 255, *some] for image, some in zip(images, views, strict=True)]
    width, height = (count + 1 + _APART) * 1.1 * _TILE + 0.2, (len(images) + 0.3) * 1.1 * _TILE + 0.1
    figure = new_figure(width, height, theme, "What training sees", caption, note)
    axes = figure.add_subplot()
    sheet.draw(axes, tiles, theme, after_first=_APART)
    for row in range(len(tiles)):
        sheet.frame(axes, row, 0, theme.muted, width=0.8)
    for column, word in ((0, "as it is"), (1 + _APART, f"{count} draws of its augmentation")):
        axes.text(sheet.at(column), -0.12, word, fontsize=8, color=theme.ink, ha="left", va="bottom")
    axes.set_ylim(sheet.at(len(tiles)), -0.5)
    return save(figure, path)
