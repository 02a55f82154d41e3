"""Small images side by side as one large image: hundreds of axes would take minutes to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from simo2_core.analysis.plots.style import Theme


@dataclass(frozen=True)
class Mosaic:
    """Where tiles of one shape lie in a sheet, all in tiles: a tile is 1 × 1, the gap to the next one `gap`."""

    gap: float = 0.12

    def draw(
        self, axes: Axes, tiles: Sequence[Sequence[NDArray[Any] | None]], theme: Theme, *, after_first: float = 0.0
    ) -> None:
        """Draws rows of tiles, (h, w, ch) each in [0, 1]; None leaves its place empty. Row 0 is on top.

        Args:
            after_first: how much further right, in tiles, all columns but the first are.
        """
        for row, across in enumerate(tiles):
            for column, tile in enumerate(across):
                if tile is None:
                    continue
                left, top = self.at(column + (after_first if column else 0.0)), self.at(row)
                axes.imshow(_rgb(tile), extent=(left, left + 1, top + 1, top), interpolation="nearest", aspect="equal")
        axes.set_xlim(-self.gap, self.at(max(map(len, tiles)) + after_first))
        axes.set_ylim(self.at(len(tiles)), -self.gap)
        axes.set_axis_off()
        axes.set_facecolor(theme.paper)

    def at(self, place: float) -> float:
        """The left end of column `place`, or the top of row `place`."""
        return place * (1 + self.gap)

    def frame(self, axes: Axes, row: int, column: int, colour: str, *, width: float = 1.4) -> None:
        """A frame around a tile."""
        axes.add_patch(
            Rectangle((self.at(column), self.at(row)), 1, 1, fill=False, edgecolor=to_rgb(colour), linewidth=width)
        )


def _rgb(tile: NDArray[Any]) -> NDArray[np.float64]:
    colours = np.clip(np.asarray(tile, np.float64), 0, 1)
    return np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else colours[..., :3]
