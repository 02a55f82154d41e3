"""The filters of an encoder's first layer, as the small images that they answer to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.plots.mosaic import Mosaic
from simo2_core.analysis.plots.style import LIGHT, Theme, new_figure, own_look, save, signed_map

MOST = 64
"""Filters drawn: the strongest."""
_TILE = 0.66
"""Inches."""


@own_look
def draw_filters(
    path: Path, kernel: NDArray[np.floating[Any]], layer: str, caption: str, *, theme: Theme = LIGHT
) -> Path:
    """Draws each filter, the strongest first.

    Args:
        kernel: (height, width, channels, filters).
        layer: what the layer is, for the note.

    Raises:
        RunError: the file cannot be written.
    """
    filters = np.moveaxis(np.asarray(kernel, np.float64), -1, 0)
    norms = np.linalg.norm(filters.reshape(len(filters), -1), axis=1)
    order = np.argsort(-norms, kind="stable")[:MOST]
    columns = min(8, len(order))
    rows = -(-len(order) // columns)
    colours = "grey 0, blue below, orange above" if kernel.shape[2] != 3 else "mid-grey 0, each colour its own channel"
    note = (
        f"{layer}, {kernel.shape[0]}×{kernel.shape[1]} pixels of {kernel.shape[2]} channel"
        f"{'s' if kernel.shape[2] > 1 else ''}. Each is scaled by its own largest weight: {colours}. Below each its "
        "norm, by which they are sorted."
    )
    if len(order) < len(filters):
        note += f" The {len(order)} strongest of {len(filters)}."
    title = "Filters of the first layer"
    figure = new_figure(max(columns * 1.3 * _TILE + 0.2, 5.6), rows * 1.42 * _TILE + 0.15, theme, title, caption, note)
    axes = figure.add_subplot()
    shown = [_picture(filters[index], theme) for index in order]
    sheet = Mosaic(gap=0.32)
    sheet.draw(axes, _in_rows(shown, columns), theme)
    for place, index in enumerate(order):
        axes.text(
            sheet.at(place % columns) + 0.5,
            sheet.at(place // columns) + 1.05,
            f"{norms[index]:.2f}",
            ha="center",
            va="top",
            fontsize=6.5,
            color=theme.muted,
        )
    return save(figure, path)


def _picture(kernel: NDArray[np.float64], theme: Theme) -> NDArray[np.float64]:
    """(h, w, 3) in [0, 1]: three channels as red, green and blue, one on the signed scale, others by their mean."""
    scaled = kernel / max(float(np.abs(kernel).max()), 1e-12)
    if kernel.shape[2] == 3:
        return (scaled + 1) / 2
    mean = scaled.mean(axis=2)
    return np.asarray(signed_map(theme)((mean + 1) / 2), np.float64)[..., :3]


def _in_rows(tiles: Sequence[NDArray[np.float64]], columns: int) -> list[list[NDArray[Any] | None]]:
    return [list(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
