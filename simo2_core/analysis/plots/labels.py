"""Writing the names of classes where their points are, without one name over another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from simo2_core.analysis.geometry import Labels
from simo2_core.analysis.plots.style import Theme, blend

_AROUND = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1.7), (0, -1.7))
"""Places tried for a name beside its point, in its own widths and heights."""

_OWN = 0.6
"""Share of the points around a class's densest one that must be its own; half would be met by chance among three."""


def class_points(points: NDArray[np.float64], labels: Labels) -> dict[int, NDArray[np.float64]]:
    """Where each class that keeps to itself has its name: the point where it is densest.

    Not the mean: a class in two groups has nothing at its mean. A class has no place of its own when too few of the
    points around its densest point are its own.

    Args:
        points: (n, 2).
        labels: (n,) integers.

    Returns:
        (2,) by class, densest classes first.
    """
    found = {}
    for label in np.unique(labels):
        mine = points[labels == label]
        near = int(np.clip(len(mine) // 2, 1, 40))
        distance = np.linalg.norm(mine[:, None, :] - mine[None, :, :], axis=2)
        reach = np.partition(distance, min(near, len(mine) - 1), axis=1)[:, min(near, len(mine) - 1)]
        place = mine[int(np.argmin(reach))]
        around = np.argsort(np.linalg.norm(points - place, axis=1), kind="stable")[: near + 1]
        if np.mean(labels[around] == label) > _OWN:
            found[int(label)] = (float(reach.min()), place)
    return {label: place for label, (_, place) in sorted(found.items(), key=lambda item: (item[1][0], item[0]))}


def write_labels(
    axes: Axes,
    places: Mapping[int, NDArray[np.float64]],
    points: NDArray[np.float64],
    names: list[str],
    colours: list[str],
    theme: Theme,
    *,
    size: float,
    boxed: bool,
) -> set[int]:
    """Writes the name of each class beside its place, where it covers no other name and the fewest points.

    The first of `places` are served first. The axes must have their final limits and place in the figure.

    Args:
        places: (2,) in data coordinates by class.
        points: (n, 2) what should stay in sight.
        boxed: whether a name gets a frame in its class's colour.

    Returns:
        the classes whose names found room.
    """
    canvas = axes.figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    frame = axes.get_window_extent(renderer)
    dots = axes.transData.transform(points)
    taken: list[Bbox] = []
    written = set()
    for label, place in places.items():
        text = axes.text(
            float(place[0]),
            float(place[1]),
            names[label],
            ha="center",
            va="center",
            fontsize=size,
            fontweight="bold",
            color=theme.ink if boxed else blend(colours[label], theme.ink, 0.5),
            zorder=5,
            in_layout=False,
        )
        if boxed:
            style = {"boxstyle": "round,pad=0.22", "facecolor": theme.paper, "alpha": 0.88, "linewidth": 1.3}
            text.set_bbox({**style, "edgecolor": colours[label]})
        else:
            text.set_path_effects([withStroke(linewidth=2.4, foreground=theme.paper, alpha=0.85)])
        box = text.get_window_extent(renderer).padded((size * 0.3 if boxed else 0.9) * axes.figure.dpi / 72)
        tried = [box.translated(right * box.width * 0.6, up * box.height * 0.95) for right, up in _AROUND]
        free = [at for at in tried if _inside(at, frame) and not any(at.overlaps(other) for other in taken)]
        if not free:
            text.remove()
            continue
        best = min(free, key=lambda at: _covered(at, dots))  # the first of equals
        x, y = axes.transData.inverted().transform(((best.x0 + best.x1) / 2, (best.y0 + best.y1) / 2))
        text.set_position((float(x), float(y)))
        taken.append(best)
        written.add(label)
    return written


def _inside(box: Bbox, frame: Bbox) -> bool:
    return bool(box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1)


def _covered(box: Bbox, dots: NDArray[np.float64]) -> int:
    x, y = dots[:, 0], dots[:, 1]
    return int(np.count_nonzero((x > box.x0) & (x < box.x1) & (y > box.y0) & (y < box.y1)))
