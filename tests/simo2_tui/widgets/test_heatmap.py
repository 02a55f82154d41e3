import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.style import Style

from simo2_tui.widgets.heatmap import (
    heat_levels,
    legible,
    reduce_blocks,
    render_heatmap,
    render_histogram,
    short_cosine,
    similarity_order,
)
from simo2_tui.widgets.palette import ASCII, HEAT, HEAT_STEPS, UNICODE, colours, colours_16, colours_256

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LETTERS = [chr(65 + i) for i in range(26)]
SPECIES = [f"species_{i:03d}" for i in range(200)]


def gram(classes, seed=0):
    means = np.random.default_rng(seed).normal(size=(classes, 8))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return means @ means.T


@given(st.integers(1, 120), st.integers(1, 50), st.integers(0, 40))
@settings(deadline=None, max_examples=50)
def test_every_row_is_exactly_as_wide_as_asked(width, height, classes):
    names = [f"class{i}" for i in range(classes)]
    cells = render_heatmap(gram(classes), names, width, height)
    assert all(cells.strip(row, colours(True), Style()).cell_length == width for row in range(height))


def test_sign_and_size_decide_the_colour_and_the_worst_pair_is_named():
    matrix = np.eye(3)
    matrix[0, 2] = matrix[2, 0] = -0.97
    cells = render_heatmap(matrix, ("a", "b", "c"), 60, 12)
    assert cells.row_text(0).startswith("largest cos(a, c) = -0.970")
    papers = np.unique(cells.paper[cells.paper >= 0]).tolist()
    assert papers == [HEAT + 1, HEAT + HEAT_STEPS // 2, HEAT + HEAT_STEPS - 1]
    assert "-.97" in cells.text()


def test_the_cursor_spells_its_pair_out():
    cells = render_heatmap(gram(4), tuple("abcd"), 60, 12, order=np.array([3, 2, 1, 0]), cursor=(0, 1))
    assert cells.row_text(0).startswith(f"cos(d, c) = {gram(4)[3, 2]:+.3f}")


def test_where_classes_share_a_cell_the_worst_pair_still_shows():
    matrix = np.eye(100)
    matrix[10, 77] = matrix[77, 10] = -0.9
    assert reduce_blocks(matrix, 10)[1, 7] == -0.9
    cells = render_heatmap(matrix, [str(i) for i in range(100)], 60, 16)
    assert ((cells.paper == HEAT + 2) | (cells.ink == HEAT + 2)).any()
    assert "classes a cell" in cells.row_text(0)


def test_ten_classes_in_a_low_pane_are_drawn_each_two_to_a_row():
    matrix = gram(10, seed=4)
    cells = render_heatmap(matrix, DIGITS, 50, 9)
    assert "classes a cell" not in cells.row_text(0)
    assert cells.row_text(1).strip().startswith("zero one")
    levels = heat_levels(matrix)
    column = cells.row_text(1).index(UNICODE.upper)
    across = cells.row_text(1).count(UNICODE.upper) // 10
    for row in range(5):
        assert cells.ink[1 + row, column::across][:10].tolist() == levels[2 * row].tolist()
        assert cells.paper[1 + row, column::across][:10].tolist() == levels[2 * row + 1].tolist()
    assert render_heatmap(matrix, DIGITS, 50, 9, cursor=(3, 3)).row_text(2).count("[") == 1


@pytest.mark.parametrize(("height", "rows"), [(15, 13), (20, 13), (27, 25)])
def test_an_odd_number_of_classes_fits_as_well(height, rows):
    cells = render_heatmap(gram(25), LETTERS[:25], 70, height)
    assert cells.row_text(1 + rows).split() == LETTERS[:25]
    assert "Y" in cells.row_text(rows)


def test_two_hundred_classes_do_not_all_have_the_colour_of_their_extremes():
    means = np.random.default_rng(0).normal(size=(200, 16))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    matrix = means @ means.T
    assert np.abs(matrix[~np.eye(200, dtype=bool)]).max() > 0.75
    cells = render_heatmap(matrix, SPECIES, 64, 20)
    used = np.concatenate([cells.ink[1:-1], cells.paper[1:-1]])
    size = np.abs(used[used >= HEAT] - HEAT - HEAT_STEPS // 2) / (HEAT_STEPS // 2)
    assert 0.1 < np.median(size) < 0.35, "a typical pair"
    assert size.max() > 0.7, "and the worst one"
    assert cells.row_text(1).startswith("specie…")


def test_without_colours_characters_say_sign_and_size():
    matrix = np.eye(40)
    matrix[2, 30] = matrix[30, 2] = -0.9
    matrix[5, 20] = matrix[20, 5] = 0.5
    for glyphs in (UNICODE, ASCII):
        plain = replace(glyphs, colour=False)
        cells = render_heatmap(matrix, [f"n{i}" for i in range(40)], 44, 60, glyphs=plain)
        row = cells.row_text(1 + 2)
        assert (cells.paper == -1).all()
        assert (row[4 + 2], row[4 + 30], row[4 + 31]) == (glyphs.alike[-1], glyphs.opposite[-1], " ")
        assert cells.row_text(1 + 5)[4 + 20] == glyphs.alike[2]
        assert glyphs is UNICODE or cells.text().isascii()
        blocks = render_heatmap(matrix, [f"n{i}" for i in range(40)], 44, 12, glyphs=plain).text()
        assert glyphs.opposite[-1] in blocks
        assert UNICODE.upper not in blocks


def test_names_in_any_script_stand_at_the_rows_and_below():
    names = ("猫", "собака", "भालू", "plain")
    text = render_heatmap(np.eye(4), names, 60, 14).text()
    assert all(name in text for name in names)
    assert "?" not in text
    assert "class 0" in render_heatmap(np.eye(4), names, 60, 14, glyphs=ASCII).text()


def test_alike_classes_are_put_next_to_each_other():
    directions = np.eye(6)[[0, 1, 2, 0, 1, 2]] + 0.01 * np.random.default_rng(1).normal(size=(6, 6))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    order = similarity_order(directions @ directions.T).tolist()
    assert sorted(order) == list(range(6))
    place = {label: order.index(label) for label in range(6)}
    assert all(abs(place[i] - place[i + 3]) == 1 for i in range(3))


def test_ordering_survives_a_class_without_points():
    matrix = gram(5)
    matrix[2] = matrix[:, 2] = np.nan
    assert sorted(similarity_order(matrix).tolist()) == list(range(5))


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [(0.934, 4, ".93"), (-0.934, 4, "-.93"), (0.001, 4, "0"), (1.0, 4, "1.00"), (-0.93, 2, "-9"), (0.02, 2, ""),
     (1.0, 2, "1"), (-1.0, 2, "-1"), (np.nan, 3, "NaN")],
)  # fmt: skip
def test_a_cosine_in_few_characters(value, width, text):
    assert short_cosine(value, width) == text


def test_the_histogram_loses_no_pair_however_wide_it_is():
    counts = np.zeros(400, np.int64)
    counts[399], counts[200] = 1, 10_000
    cells = render_histogram([("same class", counts, 0.5, 2)], 30, 8)
    bottom = cells.row_text(6)
    assert bottom[-1] != " ", "a single pair among ten thousand is seen"
    assert bottom[0] == " "
    assert cells.row_text(0).split()[1:] == ["same", "class", "mean", "+0.50"]


@given(st.integers(1, 100), st.integers(1, 30))
@settings(deadline=None, max_examples=30)
def test_histograms_of_any_size(width, height):
    counts = np.arange(40)
    cells = render_histogram([("a", counts, 0.1, 2), ("b", counts * 0, np.nan, 6)], width, height)
    assert all(cells.strip(row, colours(False), Style()).cell_length == width for row in range(height))


def test_the_largest_cosine_is_read_however_long_the_names_are():
    names = [f"a name of many words and the number {i}" for i in range(3)]
    matrix = np.array([[1.0, 0.1, -0.8], [0.1, 1.0, 0.2], [-0.8, 0.2, 1.0]])
    head = render_heatmap(matrix, names, 50, 12).row_text(0)
    assert head.rstrip().endswith("= -0.800")
    assert "0" in head
    assert "2, " in head or "2)" in head


def test_names_that_cannot_be_read_are_not_written_below():
    assert not legible(["red fox", "grey owl", "polar bear"], ["fox", "owl", "ear"])
    assert legible(["a", "b", "polar bear"], ["a", "b", "ear"])
    assert legible(["species_1", "species_2"], ["1", "2"])
    assert not legible(["aaaa", "aaab"], ["aaa", "aaa"])


@pytest.mark.parametrize("size", [(60, 16), (78, 21), (50, 12)])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII, replace(UNICODE, colour=False)])
def test_the_cursor_is_seen_where_classes_share_a_place_which_is_said(size, glyphs):
    matrix = gram(200)
    for at in ((0, 0), (77, 130), (199, 199)):
        cells = render_heatmap(matrix, SPECIES, *size, cursor=at, glyphs=glyphs)
        marked = [row for row in range(1, size[1]) if "[" in cells.row_text(row)]
        assert len(marked) == 1, cells.text()
        assert "]" in cells.row_text(marked[0]) or at[1] == 199, "the last one stands at the edge"
        assert cells.paper[marked[0], cells.row_text(marked[0]).index("[")] < 0, "on the screen's own background"
        assert re.search(r"\d+×\d+ (classes )?a cell", cells.row_text(0))
        assert f"= {matrix[at]:+.3f}" in cells.row_text(0)
    rows = [render_heatmap(matrix, SPECIES, *size, cursor=(place, 0), glyphs=glyphs).text() for place in (0, 199)]
    assert rows[0].index("[") < rows[1].index("[")


@pytest.mark.parametrize("height", range(4, 9))
def test_each_histogram_has_a_row_of_its_own_and_the_axis_what_is_left(height):
    counts = np.ones(40, np.int64)
    cells = render_histogram([("same class", counts, 0.9, 2), ("different class", counts, 0.1, 6)], 40, height)
    full = [row for row in range(height) if cells.row_text(row) == "█" * 40]
    assert {int(cells.ink[row, 0]) for row in full} == {2, 6}
    assert ("+1" in cells.row_text(height - 1)) == (height > 4)


@pytest.mark.parametrize("width", range(52, 90, 4))
def test_the_two_names_of_the_worst_pair_are_told_before_all_words_about_the_cells(width):
    names = [f"species_{place:03d} Corvus corax" for place in range(200)]
    head = render_heatmap(gram(200), names, width, 12).row_text(0)
    first, second = re.search(r"cos\((.+), (.+)\)", head).groups()
    assert min(len(first), len(second)) >= 7, head
    assert first != second
    assert "a cell" in head


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("colours_of", [colours, colours_256, colours_16])
def test_every_value_can_be_read_on_the_colour_of_its_cell(colours_of, dark):
    table = colours_of(dark)

    def light(colour):
        shares = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
        return float(
            np.where(shares <= 0.04, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)
        )

    for value in np.linspace(-1, 1, 81):
        cells = render_heatmap(np.array([[1.0, value], [value, 1.0]]), ("a", "b"), 40, 8)
        row = next(row for row in range(1, 8) if cells.row_text(row).strip().startswith("a"))
        place = int(np.flatnonzero(cells.glyphs[row] != ord(" "))[-1])
        ink, paper = (light(table[int(index[row, place])]) for index in (cells.ink, cells.paper))
        contrast = (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)
        assert contrast > 3.5, (value, table[cells.ink[row, place]], table[cells.paper[row, place]], contrast)


@pytest.mark.parametrize("at", [(125, 125), (125, 7)])
def test_a_name_in_the_heading_keeps_what_tells_its_class_from_all_others(at):
    names = [f"species_{place:03d} Parus montanus" for place in range(200)]
    for width in range(56, 90, 5):
        head = render_heatmap(gram(200), names, width, 12, cursor=at).row_text(0)
        assert all(f"{place:03d}" in head for place in at), head
