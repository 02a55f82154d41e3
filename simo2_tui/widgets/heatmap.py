"""Signed class similarity in colour cells, and the histogram of cosines: arrays in, cells out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from simo2_core.analysis.one_thread import one_thread
from simo2_core.short_names import common_beginning
from simo2_tui.widgets.cells import NO_INK, Cells
from simo2_tui.widgets.names import shown_names
from simo2_tui.widgets.palette import ACCENT, DARK, HEAT, HEAT_STEPS, MUTED, TEXT, UNICODE, Glyphs

TEXT_FROM = 0.12
"""From this size on a cosine is worth reading, and its cell is coloured where there are 256 colours."""

DARK_FROM = 0.6
"""From this size on the colour of a cell is bright enough for dark digits."""


HALF = (HEAT_STEPS - 1) // 2
"""Steps of the ramp on either side of 0."""


def heat_levels(matrix_cc: NDArray[np.float64]) -> NDArray[np.int16]:
    """(C, C) palette index of each signed value in [-1, 1]."""
    safe = np.clip(np.nan_to_num(matrix_cc), -1, 1)
    return (HEAT + HALF + np.rint(safe * HALF)).astype(np.int16)


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


HALF_CELLS = 4
"""Columns of a class at most where two classes share a row: more would make stripes of the cells."""

LOUD = 0.3
"""From this size on the value of a single pair may stand for its whole block."""

NAME = 10
"""Cells of a name beside its row at most."""

TWO_NAMES = 12
"""Cells at most of the two names of a row that two classes share; of longer ones the upper is shown."""


@dataclass(frozen=True)
class Grid:
    """How a matrix is laid out in cells."""

    gutter: int
    """Columns for the names of the rows."""
    across: int
    """Columns of a class, or of a block."""
    rows: Fraction
    """Rows of a class, or of a block: a half where two share one."""
    block: int = 1
    """Classes that share a place, each way."""

    @property
    def halves(self) -> bool:
        """Whether two classes share a row."""
        return self.rows < 1

    def row(self, place: int) -> int:
        """The row in which the name and the value of a place stand; row 0 is the heading."""
        return 1 + int(place * self.rows + max(self.rows - 1, Fraction(0)) / 2)


def lay_out(classes: int, width: int, height: int, gutter: int, *, halves: bool) -> Grid:
    """The grid of the finest kind that fits: cells of at most 6×3, half rows if there are any, then blocks of classes.

    Args:
        height: rows for the matrix, without heading and names below.
        halves: whether half a cell can have a colour of its own.
    """
    room = max(1, width - gutter)
    across, down = room // classes, height // classes
    if across and down:
        return Grid(gutter, min(6, across), Fraction(min(3, down)))
    if across and halves and 2 * height >= classes:
        return Grid(gutter, min(HALF_CELLS, across), Fraction(1, 2))
    block = max(-(-classes // room), -(-classes // (height * (1 + halves))))
    size = -(-classes // block)
    return Grid(gutter, min(HALF_CELLS, max(1, room // size)), Fraction(1, 2) if halves else Fraction(1), block)


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

    Where there are too few rows two classes share one, each in half its height. Where that does not do either, blocks
    of classes share a place: see `reduce_blocks`. Without colours, characters say how large a value is.

    Args:
        order: (C,) the class of each row and column, so that alike classes stand together.
        cursor: row and column (positions, after ordering) whose value the top row spells out.
    """
    cells = Cells(width, height)
    classes = len(matrix_cc)
    if not classes or width < 4 or height < 3:
        cells.write(0, 0, "no embedding yet" if not classes else "too small", MUTED)
        return cells
    order = np.arange(classes) if order is None else order
    sorted_cc = matrix_cc[np.ix_(order, order)]
    every = [class_names[label] if label < len(class_names) else str(label) for label in range(classes)]
    most = max(1, min(NAME, width // 3))
    short, labels = shown_names(every, most, glyphs), order.tolist()
    names = [short[label] for label in labels]
    longest = max(cell_len(name) for name in names)
    grid = lay_out(classes, width, height - 2, longest + 1, halves=glyphs.halves)
    if grid.halves and 2 * longest + 1 <= TWO_NAMES:
        grid = lay_out(classes, width, height - 2, 2 * longest + 2, halves=glyphs.halves)
    shown = reduce_blocks(sorted_cc, grid.block)
    _head(cells, sorted_cc, [every[label] for label in labels], cursor, grid.block, glyphs)
    _paint(cells, shown, grid, glyphs)
    _row_names(cells, names, grid, len(shown))
    shorter = shown_names(every, max(1, grid.across - 1), glyphs)
    if legible(every, shorter):
        _column_names(cells, [shorter[label] for label in labels], grid)
    if cursor is not None:
        row, column = grid.row(cursor[0] // grid.block), grid.gutter + cursor[1] // grid.block * grid.across
        around = grid.across < 3  # no room for both inside
        for place, sign in ((column - around, "["), (column + grid.across - 1 + around, "]")):
            cells.write(row, place, sign, ACCENT)
            if place < cells.width:
                cells.paper[row, place] = NO_INK  # on the colour of a cell it could hardly be seen
    return cells


def _paint(cells: Cells, shown: NDArray[np.float64], grid: Grid, glyphs: Glyphs) -> None:
    """The colours of the values, and the values themselves where a cell has room for them."""
    levels = np.repeat(heat_levels(shown), grid.across, axis=1)
    left = grid.gutter
    if grid.halves:
        upper, lower = levels[::2], levels[1::2]
        right = min(cells.width, left + levels.shape[1])
        cells.glyphs[1 : 1 + len(upper), left:right] = ord(glyphs.upper)
        cells.ink[1 : 1 + len(upper), left:right] = upper[:, : right - left]
        cells.paper[1 : 1 + len(lower), left:right] = lower[:, : right - left]
        return
    if glyphs.colour:
        paper = np.repeat(levels, int(grid.rows), axis=0)
        tall, wide = min(paper.shape[0], cells.height - 2), min(paper.shape[1], cells.width - left)
        cells.paper[1 : 1 + tall, left : left + wide] = paper[:tall, :wide]
    numbers = grid.block == 1 and grid.across >= 2
    if not numbers and glyphs.colour:
        return
    for i, values in enumerate(shown.tolist()):
        for j, value in enumerate(values):
            if numbers:
                text = short_cosine(value, grid.across - (grid.across > 2))
                seen = round(abs(value) * HALF) / HALF  # as the colour of the cell has it
                ink = DARK if seen >= DARK_FROM else TEXT if seen >= TEXT_FROM else MUTED
                cells.write(grid.row(i), left + j * grid.across + _indent(text, grid.across), text, ink)
            else:
                cells.write(grid.row(i), left + j * grid.across, _shade(value, glyphs) * grid.across, TEXT)


def _shade(value: float, glyphs: Glyphs) -> str:
    """A character for the sign and the size of a value."""
    steps = glyphs.alike if value >= 0 else glyphs.opposite
    return "?" if value != value else steps[min(len(steps) - 1, int(abs(value) * len(steps)))]


def _row_names(cells: Cells, names: Sequence[str], grid: Grid, size: int) -> None:
    room = grid.gutter - 1
    for place in range(0, size, 2 if grid.halves else 1):
        name, below = names[place * grid.block], names[min(place + 1, size - 1) * grid.block]
        both = f"{name} {below}"
        if grid.halves and grid.block == 1 and below != name and cell_len(both) <= room:
            name = both
        cells.write(grid.row(place), room - cell_len(name), name, MUTED)


def reduce_blocks(matrix_cc: NDArray[np.float64], block: int) -> NDArray[np.float64]:
    """Blocks of `block` × `block` values, each as the root mean square of its off-diagonal values, in their main sign.

    A pair that is far from orthogonal must not vanish: the loudest in a hundred blocks, two at least, show their value
    of largest size. If all did, a matrix of many classes would have the colour of its extremes everywhere.
    """
    if block <= 1:
        return matrix_cc
    classes = len(matrix_cc)
    size = -(-classes // block)
    counted = np.zeros((size * block, size * block))
    counted[:classes, :classes] = ~np.eye(classes, dtype=bool)
    padded = np.zeros_like(counted)
    padded[:classes, :classes] = np.nan_to_num(matrix_cc)
    padded *= counted

    def blocks(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values.reshape(size, block, size, block).transpose(0, 2, 1, 3).reshape(size, size, -1)

    values, count = blocks(padded), blocks(counted).sum(axis=2)
    largest = np.take_along_axis(values, np.abs(values).argmax(axis=2)[..., None], axis=2)[..., 0]
    typical = np.copysign(np.sqrt((values**2).sum(axis=2) / np.maximum(count, 1)), largest)
    loud = min(size * size, max(2, size * size // 100))
    least = max(LOUD, float(np.sort(np.abs(largest), axis=None)[-loud]))
    return np.where(np.abs(largest) >= least, largest, typical)


def _head(
    cells: Cells,
    sorted_cc: NDArray[np.float64],
    names: Sequence[str],
    cursor: tuple[int, int] | None,
    block: int,
    glyphs: Glyphs,
) -> None:
    if cursor is None:
        away = np.where(np.eye(len(sorted_cc), dtype=bool), 0.0, np.nan_to_num(sorted_cc))
        cursor_row, cursor_column = np.unravel_index(np.abs(away).argmax(), away.shape)
        lead, at = "largest ", (int(cursor_row), int(cursor_column))
    else:
        lead, at = "", cursor
    value, column = f"{float(sorted_cc[at]):+.3f}", cells.write(0, 0, lead, MUTED)
    room = cells.width - column - len(f"cos(, ) = {value}")
    words = f"  {block}×{block} classes a cell" if block > 1 else ""
    if room - len(words) < min(2 * NAME, sum(cell_len(names[place]) for place in at)):
        words = words.replace(" classes", "")
    said = room - len(words) >= 2 * READABLE
    short = shown_names(names, (room - len(words) * said) // 2, glyphs)  # of all: what tells a class from them stays
    pair = [short[place] for place in at]
    column = cells.write(0, column, f"cos({', '.join(pair)}) = {value}", TEXT)
    if said:
        cells.write(0, column, words, MUTED)


def _indent(text: str, across: int) -> int:
    """Columns before a text in a cell: whole cosines end below each other, in their cell's last column but one."""
    room = across - cell_len(text)
    return room - (across > 5) if across >= 5 else room // 2


READABLE = 5
"""Cells from which on what is left of a longer name can be read."""


def legible(names: Sequence[str], shown: Sequence[str]) -> bool:
    """Whether most of the names are told apart, and whole but for what all begin with, or long enough to be read."""
    rest = len(common_beginning(names))
    whole = sum(
        short in (name, name[rest:]) or cell_len(short) >= READABLE for name, short in zip(names, shown, strict=True)
    )
    return 2 * min(whole, len(set(shown))) >= len(names)


def _column_names(cells: Cells, names: Sequence[str], grid: Grid) -> None:
    """Names below the columns, as far as they have room."""
    size = -(-len(names) // grid.block)
    row = 1 + -int(-size * grid.rows // 1)
    taken = -1
    for place in range(size):
        name = names[place * grid.block]
        start = grid.gutter + place * grid.across + _indent(name, grid.across)
        if start > taken and start + cell_len(name) <= cells.width:
            taken = cells.write(row, start, name, MUTED)


def render_histogram(
    groups: Sequence[tuple[str, NDArray[np.int64], float, int]], width: int, height: int, *, glyphs: Glyphs = UNICODE
) -> Cells:
    """Draws (name, counts, mean, ink) one above the other, each scaled to its own fullest column, from -1 to +1.

    `counts` (b,) lie in equally wide bins over [-1, 1]; a column that holds any pair shows at least an eighth.
    """
    cells = Cells(width, height)
    if not groups or width < 8 or height < 3:
        return cells
    axis = height > 2 * len(groups)  # a curve for each comes first
    each = max(2, (height - axis) // len(groups))
    for index, (name, counts, mean, ink) in enumerate(groups):
        top = index * each
        column = cells.write(top, 0, glyphs.line + " ", ink)
        column = cells.write(top, column, name, MUTED)
        cells.write(top, column, f"  mean {mean:+.2f}" if mean == mean else "  none", TEXT)
        rows = min(each - 1, height - axis - 1 - top)
        in_columns = _to_columns(counts, width)
        eighths = np.ceil(in_columns / max(1e-9, float(in_columns.max())) * rows * 8).astype(int)
        for row in range(rows):
            level = np.clip(eighths - (rows - 1 - row) * 8, 0, 8)
            cells.glyphs[top + 1 + row, :] = np.array([ord(char) for char in glyphs.bars], np.uint32)[level]
            cells.ink[top + 1 + row, :] = ink
    for share, text in ((0.0, "-1"), (0.5, "0"), (1.0, "+1")) if axis else ():
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
    with one_thread():
        _, vectors = np.linalg.eigh(laplacian)
    fiedler = vectors[:, 1]
    sign = np.sign(fiedler[np.abs(fiedler).argmax()]) or 1.0
    return np.argsort(fiedler * sign, kind="stable")
