"""A row of small images in half blocks, each with a caption: arrays in, strips out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from simo2_tui.widgets.picture import render_picture
from simo2_tui.widgets.view import glyphs_of, table_of

GAP = 2
"""Columns between two images."""

LEAST = 9
"""Columns of an image at least: fewer leave no room for its caption."""

LEVELS = 24
"""Shades of a channel that are sent: a run of equal cells costs the link as much as one cell."""


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """An image (h, w, ch) uint8, and what stands below it in the ink of the palette."""

    image: NDArray[np.uint8]
    caption: str
    ink: int


def columns_of(height: int) -> int:
    """Columns of one image in a row of `height` cells, its caption included in the height."""
    return max(LEAST, 2 * (height - 1))


def how_many(width: int, height: int) -> int:
    """Images that fit into `width` × `height` cells."""
    return max(0, (width + GAP) // (columns_of(height) + GAP)) if height >= 3 else 0


def fit_image(image: NDArray[np.uint8], columns: int, rows: int) -> NDArray[np.uint8]:
    """(2 · rows, columns, 3): the image as large as fits, in the middle of black."""
    from PIL import Image  # only when pictures are asked for

    height, width, channels = image.shape
    scale = min(columns / width, 2 * rows / height)
    size = max(1, int(width * scale)), max(1, int(height * scale))
    picture = Image.fromarray(image[..., 0] if channels == 1 else image).convert("RGB")
    # Pixels that are enlarged stay pixels; what is made smaller is averaged.
    small = np.asarray(picture.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX))
    step = 255 / (LEVELS - 1)
    canvas = np.zeros((2 * rows, columns, 3), np.uint8)
    top, left = (2 * rows - size[1]) // 2, (columns - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = np.round(np.round(small / step) * step)
    return canvas


def render_thumbnails(
    items: Sequence[Thumbnail], width: int, height: int, table: tuple[str, ...], *, shades: bool = False
) -> list[Strip]:
    """`height` strips of exactly `width` cells: the images that fit side by side, captions below."""
    columns, rows = columns_of(height), height - 1
    shown = list(items)[: how_many(width, height)]
    if not shown:
        return [Strip.blank(width)] * height
    pictures = [render_picture(fit_image(item.image, columns, rows), columns, shades=shades)[:rows] for item in shown]
    gap = Strip([Segment(" " * GAP)], GAP)
    captions = [
        Strip([Segment(set_cell_size(item.caption, columns), Style(color=table[item.ink]))], columns) for item in shown
    ]
    strips = []
    for line in [*([picture[row] for picture in pictures] for row in range(rows)), captions]:
        parts = [part for piece in line for part in (piece, gap)][:-1]
        strips.append(Strip.join(parts).adjust_cell_length(width))
    return strips


class ThumbnailRow(Widget):
    """Shows images side by side; those that do not fit are left out."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._items: Sequence[Thumbnail] = ()
        self._strips: list[Strip] = []
        self._words = ""

    @property
    def columns(self) -> int:
        """Columns of one image now."""
        return columns_of(self.size.height)

    @property
    def room(self) -> int:
        """Images that fit now."""
        return how_many(*self.size)

    def show(self, items: Sequence[Thumbnail], words: str = "") -> None:
        """Takes the images, or what to say where there are none."""
        self._items, self._words = items, words
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        if not (width and height):
            return
        shades = not glyphs_of(self.app).halves
        self._strips = render_thumbnails(self._items, width, height, table_of(self.app), shades=shades)
        if not self._items:
            self._strips[0] = Strip([Segment(set_cell_size(self._words, width))], width)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(self._strips) or self._strips[y].cell_length != width:
            return Strip.blank(width, self.rich_style)
        return self._strips[y].apply_style(self.rich_style)
