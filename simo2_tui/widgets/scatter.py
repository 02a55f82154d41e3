"""Points of an embedding in class colours and shapes: arrays in, cells out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from simo2_core.palette import FEW, MANY
from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.names import shown_names
from simo2_tui.widgets.palette import ACCENT, FAINT, MUTED, TEXT, UNICODE, Glyphs, class_ink, class_markers
from simo2_tui.widgets.raster import Raster

CELL_ASPECT = 2.0
"""A cell is about twice as high as wide; without this a round cloud would look like an egg."""


STRETCH = 2.0
"""How much longer a unit may be in one direction than in the other: a flat pane is filled, and no cloud distorted."""


def fit(points_n2: NDArray[np.float64], width: int, height: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """x and y range around all finite points, with a small margin; a unit is nearly as long across as up.

    Reach and middle are rounded to few values, so that a cloud that breathes does not rescale each time.
    """
    finite = points_n2[np.isfinite(points_n2).all(axis=1)]
    low, high = (finite.min(axis=0), finite.max(axis=0)) if len(finite) else (np.full(2, -1.0), np.full(2, 1.0))
    extent = np.array([max(1, width), max(1.0, height * CELL_ASPECT)])
    unit = (high - low) / 2 / extent
    unit = np.maximum(unit, max(float(unit.max()), 1e-9) / STRETCH)
    reach = np.array([_rounded_up(float(value)) for value in unit * 1.08]) * extent
    grid = reach / 16
    middle = np.round((low + high) / 2 / grid) * grid
    lows, highs = middle - reach, middle + reach
    return (float(lows[0]), float(highs[0])), (float(lows[1]), float(highs[1]))


def _rounded_up(value: float) -> float:
    power = 10.0 ** np.floor(np.log10(value))
    return float(np.ceil(value / power * 10) / 10 * power)


NAME = 14
"""Cells of a name beside its points at most."""


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
    classes = max(len(class_names), int(labels_n.max()) + 1)
    markers = class_markers(classes, glyphs)
    inks = np.where(dim, FAINT, labels_n if classes <= FEW else FEW + labels_n % MANY).astype(np.int16)
    raster = Raster(width, height)
    if dots or dim.any():
        order = np.argsort(~dim, kind="stable") if dots else np.flatnonzero(dim)
        x, y = points_n2[order, 0], points_n2[order, 1]
        raster.points(x, y, x_range, y_range, inks[order])
        raster.stamp(cells, 0, 0, glyphs)
    column, row = _cell(points_n2, x_range, y_range, width, height)
    if not dots:
        bright = np.flatnonzero(~dim & np.isfinite(points_n2).all(axis=1))
        shape = np.array([ord(char) for char in markers], np.uint32)
        cells.glyphs[row[bright], column[bright]] = shape[labels_n[bright] % len(shape)]
        cells.ink[row[bright], column[bright]] = inks[bright]
    if names:
        shown = shown_names(class_names, min(NAME, width // 3), glyphs)
        # A name somewhere else belongs to its points by its colour, which more classes than colours share.
        _names(cells, column, row, labels_n, shown, isolate, near=classes > (MANY if glyphs.colour else FEW))
    if selected is not None and 0 <= selected < len(row):
        label = int(labels_n[selected])  # a name, or a point of another class, may lie over it
        mark = markers[label % len(markers)]
        cells.write(int(row[selected]), int(column[selected]), mark, class_ink(label, classes))
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


_BESIDE = ((0, 1), (0, -1), (0, 2), (0, -2), (1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0), (2, 0), (-2, 0),
           (0, 3), (0, -3), (2, 3), (-2, 3), (2, -3), (-2, -3), (3, 0), (-3, 0))  # fmt: skip
"""Where a name is tried, the first free place first: rows down, and columns beside (0 is centred) the middle."""


def _names(
    cells: Cells,
    column: NDArray[np.int64],
    row: NDArray[np.int64],
    labels_n: NDArray[np.int32],
    class_names: Sequence[str],
    isolate: int | None,
    near: bool,
) -> None:
    """Writes each name beside the middle of its points, over none of them; where all is full, it is left out.

    Args:
        near: write only those that fit into the row of their points.
    """
    taken = [bytearray(line.tobytes()) for line in cells.glyphs != ord(" ")]
    for label, *middle in zip(*_middles(labels_n, row, column), strict=True):
        if label >= len(class_names) or isolate not in (None, label):
            continue
        name, ink = class_names[label], TEXT if isolate is not None else class_ink(label, len(class_names))
        place = _place(taken, middle, cell_len(name), cells.width, near=near and isolate is None)
        if place is not None:
            end = cells.write(*place, name, ink)
            taken[place[0]][place[1] : end] = bytes([1]) * (end - place[1])


def _place(
    taken: Sequence[bytearray], middle: Sequence[int], long: int, width: int, *, near: bool
) -> tuple[int, int] | None:
    """Row and column of a name, a blank at each side; where none is free so, points of its own may touch it."""
    for touching in (0, 1):
        for down, beside in _BESIDE:
            if (touching and abs(beside) != 1) or (near and (down or abs(beside) > 1)):
                continue
            first = middle[1] + (beside + 1 if beside > 0 else beside - long if beside < 0 else -(long // 2))
            at = middle[0] + down
            if 0 <= at < len(taken) and 0 <= first <= width - long:
                left, right = first - 1 + touching * (beside == 1), first + long + 1 - touching * (beside == -1)
                if taken[at].find(1, max(0, left), right) < 0:
                    return at, first
    return None


def _middles(labels_n: NDArray[np.int32], *places: NDArray[np.int64]) -> list[list[int]]:
    """The labels that there are, and for each of `places` (N,) the median of every label, rounded down.

    All labels at once: a median at a time takes most of the drawing of 200 classes.
    """
    labels, starts, counts = np.unique(np.sort(labels_n), return_index=True, return_counts=True)
    low, high = starts + (counts - 1) // 2, starts + counts // 2
    ordered = [place[np.lexsort((place, labels_n))] for place in places]
    return [labels.tolist(), *(((one[low] + one[high]) // 2).tolist() for one in ordered)]


def render_legend(
    class_names: Sequence[str], width: int, height: int, *, isolate: int | None = None, glyphs: Glyphs = UNICODE
) -> Cells:
    """Marker and name of each class, in as many columns as fit; `+n` where not all do, but the isolated one always."""
    cells = Cells(width, height)
    if not (width and height and class_names):
        return cells
    names, cell, across = _legend_entries(class_names, width, height, glyphs)
    markers, classes = class_markers(len(names), glyphs), len(names)
    room = across * height
    shown = list(range(classes if classes <= room else room - 1))
    if isolate is not None and shown and isolate not in shown:
        shown[-1] = isolate
    if len(shown) < classes:
        row, column = divmod(len(shown), across)
        cells.write(row, column * cell, f"+{classes - len(shown)}", MUTED)
    for place, index in enumerate(shown):
        name, row, column = names[index], place // across, place % across * cell
        faded = isolate is not None and isolate != index
        cells.write(row, column, markers[index % len(markers)], FAINT if faded else class_ink(index, classes))
        cells.write(row, column + 2, name, FAINT if faded else TEXT if isolate == index else MUTED)
    return cells


def legend_rows(class_names: Sequence[str], width: int, glyphs: Glyphs = UNICODE) -> int:
    """Rows that the whole legend takes, with names of the usual length."""
    if not class_names:
        return 1
    names = shown_names(class_names, LEGEND_NAMES[0], glyphs)
    return -(-len(names) // _across(names, width)[1])


LEGEND_NAMES = (20, 14, 10, 7, 5)
"""Cells of a name in the legend: as many as let all classes in, and the last but one where nothing does."""

GAPS = (2, 1)
"""Columns between two entries: fewer where that lets all classes in."""


def _legend_entries(
    class_names: Sequence[str], width: int, height: int, glyphs: Glyphs
) -> tuple[tuple[str, ...], int, int]:
    """Names, columns of an entry, and entries beside each other."""
    for most in LEGEND_NAMES:
        names = shown_names(class_names, most, glyphs)
        for gap in GAPS:
            cell, across = _across(names, width, gap)
            if across * height >= len(names):
                return names, cell, across
    names = shown_names(class_names, LEGEND_NAMES[-2], glyphs)
    return names, *_across(names, width)


def _across(names: Sequence[str], width: int, gap: int = GAPS[0]) -> tuple[int, int]:
    """Columns of an entry, and entries beside each other."""
    cell = min(max(cell_len(name) for name in names) + 2 + gap, max(6, width))
    return cell, max(1, (width + gap) // cell)


def _centred(cells: Cells, row: int, text: str, ink: int) -> None:
    cells.write(row, max(0, (cells.width - cell_len(text)) // 2), text, ink)
