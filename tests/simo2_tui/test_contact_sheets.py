"""The pictures that are looked at show what a terminal was sent."""

from tests.contact_sheets import CELL, INK, PAPER, Style, cells_of, picture, sheet, styled, table_colour


def test_each_cell_has_the_colours_of_the_codes_before_it():
    text = "a\x1b[38;2;1;2;3mb\x1b[48;5;196mc\n\x1b[0;7md\x1b[27;31;1m東e\x1b[22;39;49mf"
    found = {char: (row, column, style) for row, column, char, style in cells_of(text)}
    assert found["a"] == (0, 0, Style())
    assert found["b"] == (0, 1, Style(ink=(1, 2, 3)))
    assert found["c"] == (0, 2, Style(ink=(1, 2, 3), paper=(255, 0, 0)))
    assert found["d"] == (1, 0, Style(reverse=True))
    assert found["東"][1] == 1
    assert found["e"] == (1, 3, Style(ink=table_colour(1), bold=True)), "behind a wide character"
    assert found["f"] == (1, 4, Style())
    assert styled(Style(dim=True, underline=True), [24]) == Style(dim=True)


def test_the_colours_of_256_are_those_of_xterm():
    assert table_colour(9) == (0xFF, 0x55, 0x55)
    assert table_colour(16) == (0, 0, 0)
    assert table_colour(67) == (0x5F, 0x87, 0xAF)
    assert table_colour(232) == (8, 8, 8)
    assert table_colour(255) == (238, 238, 238)


def test_blocks_and_reversed_text_fill_their_cells():
    image = picture("█▀\x1b[7m \x1b[0m ", (4, 1))
    middle, high = CELL[0] // 2, CELL[1]
    pixels = [[image.getpixel((column * CELL[0] + middle, y)) for y in (2, high - 3)] for column in range(4)]
    assert pixels == [[INK, INK], [INK, PAPER], [INK, INK], [PAPER, PAPER]]
    assert sheet({"one": image, "two": image}).size[1] > image.size[1]
