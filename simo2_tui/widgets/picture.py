"""A picture in half blocks: two pixels to a cell, the upper one as ink, the lower one as paper."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.cells import set_cell_size
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from simo2_tui.widgets.view import glyphs_of

SHADES = " .:-=+*#%@"
"""From dark to bright, where characters must do."""


def read_picture(path: Path, width: int, height: int) -> NDArray[np.uint8]:
    """(2 · rows, columns, 3) pixels of a PNG, as large as fits into `width` × `height` cells with its shape kept.

    Raises:
        OSError: the file is gone or no picture.
    """
    from PIL import Image  # only when a picture is asked for

    with Image.open(path) as image:
        scale = min(width / image.width, 2 * height / image.height)
        columns, rows = max(1, int(image.width * scale)), max(2, int(image.height * scale) // 2 * 2)
        return np.asarray(image.convert("RGB").resize((columns, rows), Image.Resampling.LANCZOS))


def render_picture(pixels: NDArray[np.uint8], width: int, *, shades: bool = False) -> list[Strip]:
    """Strips of exactly `width` cells, the picture in the middle; `pixels` has an even number of rows.

    Args:
        shades: draw in characters of more or less ink, where there are no half blocks or no colours.
    """
    columns = min(pixels.shape[1], width)
    left, right = (width - columns) // 2, width - columns - (width - columns) // 2
    strips = []
    for row in range(0, pixels.shape[0] - 1, 2):
        pairs = [tuple(pair) for pair in pixels[row : row + 2, :columns].swapaxes(0, 1).reshape(columns, 6).tolist()]
        segments = [Segment(" " * left)]
        for pair, group in groupby(pairs):
            count = len(list(group))
            if shades:
                segments.append(Segment(SHADES[int(sum(pair) / 6 / 256 * len(SHADES))] * count))
            else:
                style = Style(color=Color.from_rgb(*pair[:3]), bgcolor=Color.from_rgb(*pair[3:]))
                segments.append(Segment("▀" * count, style))
        strips.append(Strip([*segments, Segment(" " * right)], width))
    return strips


class Picture(Widget):
    """Shows one PNG file."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._path: Path | None = None
        self._strips: list[Strip] = []

    def show(self, path: Path) -> None:
        """Shows the file at `path`; says so when it cannot be read."""
        self._path = path
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        if self._path is None or not (width and height):
            return
        glyphs = glyphs_of(self.app)
        try:
            pixels = read_picture(self._path, width, height)
        except OSError as error:
            self._strips = [Strip([Segment(set_cell_size(str(error), width))], width)]
        else:
            self._strips = render_picture(pixels, width, shades=not glyphs.halves)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(self._strips) or self._strips[y].cell_length != width:
            return Strip.blank(width, self.rich_style)
        return self._strips[y].apply_style(self.rich_style)
