"""Signed class similarity in colour cells, and the histogram of cosines: arrays in, cells out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.palette import ACCENT, DARK, HEAT, HEAT_STEPS, MUTED, TEXT, UNICODE, Glyphs

TEXT_FROM = 0.15
"""From this size on a cosine is worth reading."""

DARK_FROM = 0.55
"""From this size on the colour of a cell is bright enough for dark digits."""


def heat_levels(matrix_cc: NDArray[np.float64]) -> NDArray[np.int16]:
    """(C, C) palette index of each signed value in [-1, 1]."""
    half = (HEAT_STEPS - 1) // 2
    safe = np.clip(np.nan_to_num(matrix_cc), -1, 1)
    return (HEAT + half + np.rint(safe * half)).astype(np.int16)


def short_cosine(value: float, width: int) -> str:
    """A cosine in at most `width` characters: `-.93`, `-9` (tenths) or nothing when it is near 0."""
    if value != value:
        return "NaN"[:width]
    if width >= 4:
        text = f"{value:.2f}".replace("0.", ".", 1)
        return "0" if float(f"{value:.2f}") == 0 else text
    tenths = round(value * 10)
    return (
        "" if not tenths else f"{tenths:+d}".replace("+", "")[:width] if abs(tenths) < 10 else "-" * (value < 0) + "1"
    )


def cell_size(classes: int, width: int, height: int, gutter: int) -> tuple[int, int]:
    """Columns and rows of a matrix cell so that all classes fit, at most 6×3; 0 when they cannot."""
    across = (width - gutter) // max(1, classes)
    down = (height - 1) // max(1, classes)
    return (min(6, across), min(3, down)) if across >= 1 and down >= 1 else (0, 0)


def render_heatmap(
    matrix_cc: NDArray[np.float64],
    class_names: Sequence[str],
    width: int,
    height: int,
    *,
    order: NDArray[np.int64] | None = None,
    cursor: tuple[int, int] | None = None,
    glyphs: Glyphs = UNICODE,
) -> Cells:
    """Draws the signed cosines (C, C) of class means, blue for opposite, orange for alike.

    Args:
        order: (C,) the class of each row and column, so that alike classes stand together.
        cursor: row and column (positions, after ordering) whose value the top row spells out.
    Where the matrix does not fit, blocks of classes share a cell and show their value of largest size: a pair
    that is not orthogonal must not vanish.
    """
    cells = Cells(width, height)
    classes = len(matrix_cc)
    if not classes or width < 4 or height < 3:
        cells.write(0, 0, "no embedding yet" if not classes else "too small", MUTED)
        return cells
    order = np.arange(classes) if order is None else order
    sorted_cc = matrix_cc[np.ix_(order, order)]
    names = [class_names[index] if index < len(class_names) else str(index) for index in order.tolist()]
    gutter = min(max(len(name) for name in names), 10, width // 3) + 1
    across, down = cell_size(classes, width, height - 1, gutter)
    block = 1
    if not across:
        block = int(np.ceil(max(classes / max(1, width - gutter), classes / max(1, height - 2))))
        size = -(-classes // block)
        across, down = (max(1, extent) for extent in cell_size(size, width, height - 1, gutter))
    shown = reduce_blocks(sorted_cc, block)
    _head(cells, sorted_cc, names, cursor, block)
    levels = heat_levels(shown)
    size = len(shown)
    paper = np.repeat(np.repeat(levels, down, axis=0), across, axis=1)
    tall, wide = min(paper.shape[0], height - 2), min(paper.shape[1], width - gutter)
    cells.paper[1 : 1 + tall, gutter : gutter + wide] = paper[:tall, :wide]
    for i in range(size):
        row = 1 + i * down + (down - 1) // 2
        cells.write(row, 0, names[i * block][: gutter - 1].rjust(gutter - 1), MUTED)
        for j in range(size) if block == 1 and across >= 2 else ():
            size_of = abs(float(shown[i, j]))
            text = short_cosine(float(shown[i, j]), across - (across > 2))
            ink = DARK if size_of >= DARK_FROM else TEXT if size_of >= TEXT_FROM else MUTED
            cells.write(row, gutter + j * across + _indent(text, across), text, ink)
    _column_names(cells, [names[j * block] for j in range(size)], gutter, across, 1 + size * down)
    if cursor is not None and block == 1:
        row, column = 1 + cursor[0] * down + (down - 1) // 2, gutter + cursor[1] * across
        cells.write(row, column, "[", ACCENT)
        cells.write(row, column + across - 1, "]", ACCENT)
    return cells


def reduce_blocks(matrix_cc: NDArray[np.float64], block: int) -> NDArray[np.float64]:
    """Blocks of `block` × `block` values, each as its off-diagonal value of largest size, sign kept."""
    if block <= 1:
        return matrix_cc
    classes = len(matrix_cc)
    size = -(-classes // block)
    padded = np.zeros((size * block, size * block))
    padded[:classes, :classes] = np.where(np.eye(classes, dtype=bool), 0.0, np.nan_to_num(matrix_cc))
    blocks = padded.reshape(size, block, size, block).transpose(0, 2, 1, 3).reshape(size, size, -1)
    pick = np.abs(blocks).argmax(axis=2)
    return np.take_along_axis(blocks, pick[..., None], axis=2)[..., 0]


def _head(
    cells: Cells, sorted_cc: NDArray[np.float64], names: Sequence[str], cursor: tuple[int, int] | None, block: int
) -> None:
    if cursor is None:
        away = np.where(np.eye(len(sorted_cc), dtype=bool), 0.0, np.nan_to_num(sorted_cc))
        cursor_row, cursor_column = np.unravel_index(np.abs(away).argmax(), away.shape)
        lead, at = "largest ", (int(cursor_row), int(cursor_column))
    else:
        lead, at = "", cursor
    value = float(sorted_cc[at])
    column = cells.write(0, 0, lead, MUTED)
    column = cells.write(0, column, f"cos({names[at[0]]}, {names[at[1]]}) = {value:+.3f}", TEXT)
    if block > 1:
        cells.write(0, column + 2, f"{block}×{block} classes a cell", MUTED)


def _indent(text: str, across: int) -> int:
    """Columns before a text in a cell: whole cosines end below each other, in their cell's last column but one."""
    return across - len(text) - (across > 5) if across >= 5 else (across - len(text)) // 2


def _column_names(cells: Cells, names: Sequence[str], gutter: int, across: int, row: int) -> None:
    taken = -1
    for index, name in enumerate(names):
        text = name[: max(1, across - 1)] if across > 1 else name[:1]
        start = gutter + index * across + _indent(text, across)
        if start > taken and start + len(text) <= cells.width:
            taken = cells.write(row, start, text, MUTED)


def render_histogram(
    groups: Sequence[tuple[str, NDArray[np.int64], float, int]], width: int, height: int, *, glyphs: Glyphs = UNICODE
) -> Cells:
    """Draws (name, counts, mean, ink) one above the other, each scaled to its own fullest column, from -1 to +1.

    `counts` (b,) lie in equally wide bins over [-1, 1]; a column that holds any pair shows at least an eighth.
    """
    cells = Cells(width, height)
    if not groups or width < 8 or height < 3:
        return cells
    each = max(2, (height - 1) // len(groups))
    for index, (name, counts, mean, ink) in enumerate(groups):
        top = index * each
        column = cells.write(top, 0, glyphs.line + " ", ink)
        column = cells.write(top, column, name, MUTED)
        cells.write(top, column, f"  mean {mean:+.2f}" if mean == mean else "  none", TEXT)
        rows = min(each - 1, height - 2 - top)
        in_columns = _to_columns(counts, width)
        eighths = np.ceil(in_columns / max(1e-9, float(in_columns.max())) * rows * 8).astype(int)
        for row in range(rows):
            level = np.clip(eighths - (rows - 1 - row) * 8, 0, 8)
            cells.glyphs[top + 1 + row, :] = np.array([ord(char) for char in glyphs.bars], np.uint32)[level]
            cells.ink[top + 1 + row, :] = ink
    for share, text in ((0.0, "-1"), (0.5, "0"), (1.0, "+1")):
        start = round(share * (width - 1)) - len(text) // 2
        cells.write(height - 1, min(max(0, start), width - len(text)), text, MUTED)
    return cells


def _to_columns(counts: NDArray[np.int64], width: int) -> NDArray[np.float64]:
    """(width,) the counts spread over columns: by differences of the cumulative count, so that none is lost."""
    total = np.concatenate(([0], np.cumsum(counts)))
    return np.diff(np.interp(np.linspace(0, len(counts), width + 1), np.arange(len(total)), total))


def similarity_order(matrix_cc: NDArray[np.float64]) -> NDArray[np.int64]:
    """(C,) order of the classes in which alike (or opposite) ones stand together.

    By the leading eigenvector of the squared cosines' graph Laplacian (the Fiedler vector): it puts strongly tied
    classes next to each other, and is the same for the same matrix.
    """
    if len(matrix_cc) < 3:
        return np.arange(len(matrix_cc))
    tie = np.nan_to_num(matrix_cc) ** 2
    np.fill_diagonal(tie, 0.0)
    tie = tie + 1e-6  # connected, or the second eigenvector would not be unique
    laplacian = np.diag(tie.sum(axis=1)) - tie
    _, vectors = np.linalg.eigh(laplacian)
    fiedler = vectors[:, 1]
    sign = np.sign(fiedler[np.abs(fiedler).argmax()]) or 1.0
    return np.argsort(fiedler * sign, kind="stable")
