"""What a grid of two settings comes to: a heat map for each arm and number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from numpy.typing import NDArray

from simo2_core.analysis.plots.style import (
    LIGHT,
    Theme,
    clean,
    dress,
    heading,
    luminance,
    new_figure,
    own_look,
    save,
)

_WRITTEN = 12
"""Up to so many values of a setting each cell holds its number."""


@dataclass(frozen=True, eq=False)
class GridMap:
    """One panel: a number over two settings."""

    title: str
    values: NDArray[np.float64]
    """(values of the setting down, of that across); NaN where there is none."""
    share: bool
    """Whether it is written in percent."""
    kind: str
    """Panels of one kind have one scale of colours."""
    chosen: tuple[int, int] | None = None
    """The cell that is framed."""


@own_look
def draw_grid(
    path: Path,
    panels: Sequence[Sequence[GridMap]],
    down: tuple[str, Sequence[str]],
    across: tuple[str, Sequence[str]],
    caption: str,
    *notes: str,
    theme: Theme = LIGHT,
) -> Path:
    """Draws rows of panels, each row of one arm.

    Args:
        down: the setting of the rows of each panel, and its values in words.
        across: that of the columns.

    Raises:
        RunError: the file cannot be written.
    """
    rows, columns = len(panels), max(map(len, panels))
    written = max(len(down[1]), len(across[1])) <= _WRITTEN
    cell = 0.52 if written else 0.22
    width = max(2.2, cell * len(across[1])) + 0.9 + 0.075 * max(map(len, down[1]))
    height = max(1.2, 0.62 * cell * len(down[1])) + 0.95
    figure = new_figure(
        max(5.5, columns * width), rows * height, theme, f"{down[0]} against {across[0]}", caption, *notes
    )
    table = figure.subplots(rows, columns, squeeze=False)
    for line, some in zip(table, panels, strict=True):
        for axes, panel in zip(line, some, strict=False):
            every = [other.values for each in panels for other in each if other.kind == panel.kind]
            _panel(axes, panel, np.concatenate([values.ravel() for values in every]), written, theme)
            axes.set_yticks(range(len(down[1])), [clean(text, 16) for text in down[1]])
            axes.set_xticks(
                range(len(across[1])), [clean(text, 16) for text in across[1]], rotation=90 if not written else 0
            )
            axes.set_ylabel(clean(down[0], 30))
            axes.set_xlabel(clean(across[0], 30))
        for axes in line[len(some) :]:
            axes.set_visible(False)
    return save(figure, path)


def _panel(axes: Axes, panel: GridMap, every: NDArray[np.float64], written: bool, theme: Theme) -> None:
    dress(axes, theme, grid=False)
    heading(axes, clean(panel.title, 42) + (", %" if panel.share else ""), theme, size=9)
    for spine in axes.spines.values():
        spine.set_visible(False)
    known = every[np.isfinite(every)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    norm, colours = Normalize(low, high if high > low else low + 1), _ramp(theme)
    axes.imshow(panel.values, cmap=colours, norm=norm, interpolation="nearest", aspect="auto")
    if panel.chosen is not None:
        y, x = panel.chosen
        axes.plot(
            [x - 0.46, x + 0.46, x + 0.46, x - 0.46, x - 0.46],
            [y - 0.46, y - 0.46, y + 0.46, y + 0.46, y - 0.46],
            color=theme.accent,
            linewidth=1.8,
        )
    for (y, x), value in np.ndenumerate(panel.values) if written else ():
        if np.isfinite(value):
            ink = theme.paper if luminance(colours(norm(value))) < 0.35 else theme.ink
            text = f"{100 * value:.1f}" if panel.share else f"{value:.2f}"
            axes.text(x, y, text.replace("-", "−"), ha="center", va="center", fontsize=7.5, color=ink)


def _ramp(theme: Theme) -> Colormap:
    """From nearly the paper to the dark end of the signed scale; grey where there is no value."""
    ramp = LinearSegmentedColormap.from_list("grid", [theme.classes.middle, theme.classes.low], N=255)
    return ramp.with_extremes(bad=theme.faint)
