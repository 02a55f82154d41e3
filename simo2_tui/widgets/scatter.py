"""Points of an embedding in class colours and shapes: arrays in, cells out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.palette import ACCENT, FAINT, MUTED, TEXT, UNICODE, Glyphs, class_ink, class_marker
from simo2_tui.widgets.raster import Raster

CELL_ASPECT = 2.0
"""A cell is about twice as high as wide; without this a round cloud would look like an egg."""


def fit(points_n2: NDArray[np.float64], width: int, height: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """x and y range in which one unit is as long across as up, around all finite points, with a small margin.

    The reach is rounded up to a tenth of a power of ten, so that a cloud that breathes does not rescale each time.
    """
    finite = points_n2[np.isfinite(points_n2).all(axis=1)]
    reach_x = float(np.abs(finite[:, 0]).max()) if len(finite) else 1.0
    reach_y = float(np.abs(finite[:, 1]).max()) if len(finite) else 1.0
    across = max(reach_x / max(1, width), reach_y / max(1.0, height * CELL_ASPECT), 1e-9) * 1.04
    power = 10.0 ** np.floor(np.log10(across))
    across = float(np.ceil(across / power * 10) / 10 * power)
    x, y = across * max(1, width), across * max(1.0, height * CELL_ASPECT)
    return (-x, x), (-y, y)


def render_scatter(
    points_n2: NDArray[np.float64],
    labels_n: NDArray[np.int32],
    class_names: Sequence[str],
    width: int,
    height: int,
    *,
    isolate: int | None = None,
    dots: bool = False,
    names: bool = True,
    selected: int | None = None,
    glyphs: Glyphs = UNICODE,
) -> Cells:
    """Draws points (N, 2) around the origin, class by class.

    Args:
        isolate: the class to show in colour; the others become faint dots.
        dots: braille dots, 2×4 to a cell, instead of one marker to a cell.
        names: write each class's name at the middle of its points, where there is room.
        selected: the point to frame.
    """
    cells = Cells(width, height)
    if not (width and height):
        return cells
    if not len(points_n2):
        _centred(cells, height // 2, "no embedding yet", MUTED)
        return cells
    x_range, y_range = fit(points_n2, width, height)
    dim = np.zeros(len(labels_n), bool) if isolate is None else labels_n != isolate
    inks = np.where(dim, FAINT, labels_n % 8).astype(np.int16)
    raster = Raster(width, height)
    if dots or dim.any():
        order = np.argsort(~dim, kind="stable") if dots else np.flatnonzero(dim)
        x, y = points_n2[order, 0], points_n2[order, 1]
        raster.points(x, y, x_range, y_range, inks[order])
        raster.stamp(cells, 0, 0, glyphs)
    column, row = _cell(points_n2, x_range, y_range, width, height)
    if not dots:
        bright = np.flatnonzero(~dim & np.isfinite(points_n2).all(axis=1))
        shape = np.array([ord(char) for char in glyphs.markers], np.uint32)
        cells.glyphs[row[bright], column[bright]] = shape[labels_n[bright] % len(shape)]
        cells.ink[row[bright], column[bright]] = inks[bright]
    if names:
        _names(cells, column, row, labels_n, class_names, isolate)
    if selected is not None and 0 <= selected < len(row):
        label = int(labels_n[selected])  # a name, or a point of another class, may lie over it
        cells.write(int(row[selected]), int(column[selected]), class_marker(label, glyphs), class_ink(label))
        cells.write(int(row[selected]), int(column[selected]) - 1, "[", ACCENT)
        cells.write(int(row[selected]), int(column[selected]) + 1, "]", ACCENT)
    return cells


def _cell(
    points_n2: NDArray[np.float64],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    width: int,
    height: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Column and row (N,) of the cell in which each point lies."""
    safe = np.nan_to_num(points_n2, nan=0.0, posinf=0.0, neginf=0.0)
    x = (safe[:, 0] - x_range[0]) / (x_range[1] - x_range[0])
    y = (safe[:, 1] - y_range[0]) / (y_range[1] - y_range[0])
    column = np.clip((x * width).astype(np.int64), 0, width - 1)
    return column, np.clip(((1 - y) * height).astype(np.int64), 0, height - 1)


def step_to(
    points_n2: NDArray[np.float64],
    at: int | None,
    right: int,
    up: int,
    width: int,
    height: int,
    *,
    among: NDArray[np.bool_] | None = None,
) -> int | None:
    """The point next to point `at` in a direction as drawn in `width` × `height` cells; `at` where there is none.

    Points in the cell of `at` are passed over: a key that moves nothing on the screen would seem broken. Without `at`
    it is the point nearest the middle. None when there is no point.

    Args:
        right, up: the direction, one of them -1 or 1 and the other 0.
        among: (N,) the points that may be picked; all by default.
    """
    usable: NDArray[np.bool_] = np.asarray(np.isfinite(points_n2).all(axis=1))
    if among is not None:
        usable &= among
    if not usable.any():
        return None
    if at is None or not usable[at]:
        return int(np.argmin(np.where(usable, (points_n2**2).sum(axis=1), np.inf)))
    column, row = _cell(points_n2, *fit(points_n2, width, height), width, height)
    place = np.stack([column, -CELL_ASPECT * row], axis=1)
    delta = place - place[at]
    along = delta[:, 0] * right + delta[:, 1] * up
    across = np.abs(delta[:, 0] * up) + np.abs(delta[:, 1] * right)
    # Any point is within reach of some key; what lies straight ahead comes before what lies beside.
    ahead = usable & (along > 0) & (across <= 2 * along)
    return int(np.argmin(np.where(ahead, along + 2 * across, np.inf))) if ahead.any() else at


def _names(
    cells: Cells,
    column: NDArray[np.int64],
    row: NDArray[np.int64],
    labels_n: NDArray[np.int32],
    class_names: Sequence[str],
    isolate: int | None,
) -> None:
    taken = np.zeros((cells.height, cells.width), bool)
    for label in np.unique(labels_n).tolist() if isolate is None else [isolate]:
        mine = labels_n == label
        if not mine.any() or label >= len(class_names):
            continue
        text = f" {class_names[label][:14]} "
        at_row = int(np.median(row[mine]))
        at = min(max(0, int(np.median(column[mine])) - len(text) // 2), max(0, cells.width - len(text)))
        spot = np.s_[at_row, at : at + len(text)]
        if taken[spot].any() or len(text) > cells.width // 3:
            continue
        taken[spot] = True
        cells.write(at_row, at, text, TEXT)
        cells.ink[at_row, at + 1 : at + len(text) - 1] = TEXT if isolate is not None else class_ink(label)


def render_legend(
    class_names: Sequence[str], width: int, height: int, *, isolate: int | None = None, glyphs: Glyphs = UNICODE
) -> Cells:
    """Marker and name of each class, in as many columns as fit; `+n` where not all do."""
    cells = Cells(width, height)
    if not (width and height and class_names):
        return cells
    cell = min(max(len(name) for name in class_names) + 4, max(6, width))
    across = max(1, width // cell)
    room = across * height
    for index, name in enumerate(class_names[:room]):
        row, column = index // across, index % across * cell
        if index == room - 1 and len(class_names) > room:
            cells.write(row, column, f"+{len(class_names) - room + 1}", MUTED)
            break
        faded = isolate is not None and isolate != index
        cells.write(row, column, class_marker(index, glyphs), FAINT if faded else class_ink(index))
        cells.write(row, column + 2, name[: cell - 3], FAINT if faded else TEXT if isolate == index else MUTED)
    return cells


def _centred(cells: Cells, row: int, text: str, ink: int) -> None:
    cells.write(row, max(0, (cells.width - len(text)) // 2), text, ink)
