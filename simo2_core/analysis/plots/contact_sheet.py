"""Images with a few words below each, in sections: what there is to look at one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.plots.mosaic import Mosaic
from simo2_core.analysis.plots.style import LIGHT, Theme, heading, new_figure, own_look, save

ACROSS = 8
"""Images in a row; an even number, so that none of a pair begins the next row."""
_TILE, _GAP, _ABOVE = 0.78, 0.46, 0.1
"""Inches, and in tiles: room for two lines of words, and between a title and its images."""


@dataclass(frozen=True, eq=False)
class Tile:
    """One image."""

    image: NDArray[np.uint8]
    """(h, w, ch)."""
    words: tuple[str, str]
    """Below it, one line each: texts that can be drawn, see `style.clean`."""
    alarm: bool = False
    """Whether the second line is what a reader should not miss."""


@dataclass(frozen=True, eq=False)
class SheetSection:
    """Images of one kind."""

    title: str
    tiles: Sequence[Tile]


@own_look
def draw_contact_sheet(
    path: Path, sections: Sequence[SheetSection], title: str, caption: str, *notes: str, theme: Theme = LIGHT
) -> Path:
    """Draws sections of images, one below the other; there must be one, and an image in each.

    Raises:
        RunError: the file cannot be written.
    """
    sheet = Mosaic(gap=_GAP)
    spans = [sheet.at(-(-len(section.tiles) // ACROSS)) + _ABOVE for section in sections]
    width = ACROSS * (1 + _GAP) * _TILE + 0.3
    height = sum(spans) * _TILE + 0.42 * len(sections)
    figure = new_figure(width, height, theme, title, caption, *notes)
    panels = figure.subplots(len(sections), 1, squeeze=False, height_ratios=spans)[:, 0]
    for axes, section in zip(panels, sections, strict=True):
        lines = [section.tiles[start : start + ACROSS] for start in range(0, len(section.tiles), ACROSS)]
        sheet.draw(axes, [[tile.image / 255 for tile in line] for line in lines], theme)
        axes.set_xlim(-_GAP / 2, sheet.at(ACROSS))
        axes.set_ylim(sheet.at(len(lines)), -_ABOVE)
        axes.set(xticks=(), yticks=())
        axes.set_anchor("W")
        heading(axes, section.title, theme)
        for row, line in enumerate(lines):
            for column, tile in enumerate(line):
                for place, word in enumerate(tile.words):
                    alarm = bool(place) and tile.alarm
                    axes.text(
                        sheet.at(column) + 0.5, sheet.at(row) + 1.04 + 0.15 * place, word, ha="center", va="top",
                        fontsize=6.2, color=theme.accent if alarm else theme.ink,
                        fontweight="bold" if alarm else "normal",
                    )  # fmt: skip
    return save(figure, path)
