import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from simo2_tui.widgets.palette import ASCII, FAINT, UNICODE, class_ink, colours
from simo2_tui.widgets.scatter import fit, legend_rows, render_legend, render_scatter

NAMES = ("cat", "dog", "owl")


@given(
    st.integers(1, 120),
    st.integers(1, 40),
    st.integers(0, 40),
    st.booleans(),
    st.sampled_from([None, 0, 2]),
    st.sampled_from([UNICODE, ASCII]),
)
@settings(deadline=None, max_examples=60)
def test_every_row_is_exactly_as_wide_as_asked(width, height, count, dots, isolate, glyphs):
    rng = np.random.default_rng(count)
    points, labels = rng.normal(size=(count, 2)), rng.integers(0, 3, count).astype(np.int32)
    if count:
        points[0] = np.nan
    cells = render_scatter(points, labels, NAMES, width, height, dots=dots, isolate=isolate, glyphs=glyphs)
    assert all(cells.strip(row, colours(True), Style()).cell_length == width for row in range(height))


def test_each_class_has_its_shape_and_colour_at_its_place():
    points = np.array([[-1.0, -1.0], [1.0, 1.0]])
    cells = render_scatter(points, np.array([0, 1], np.int32), NAMES, 40, 20, names=False)
    [[bottom, left]] = np.argwhere(cells.glyphs == ord(UNICODE.markers[0]))
    [[top, right]] = np.argwhere(cells.glyphs == ord(UNICODE.markers[1]))
    assert bottom > 10 > top
    assert left < 20 < right
    assert cells.ink[bottom, left] == 0
    assert cells.ink[top, right] == 1


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(-50, 50), st.integers(10, 150), st.integers(5, 50))
def test_a_cloud_fills_its_pane_and_no_unit_is_much_longer_than_the_other(across, up, middle, width, height):
    low, high = np.array([middle - across, -up]), np.array([middle + across, up])
    (x_low, x_high), (y_low, y_high) = fit(np.stack([low, high]), width, height)
    assert x_low <= low[0] < high[0] <= x_high
    assert y_low <= low[1] < high[1] <= y_high
    units = np.array([(x_high - x_low) / width, (y_high - y_low) / (height * 2)])
    assert 1 / 2.3 < units[0] / units[1] < 2.3, "twice, and what rounding adds"
    assert max(across / (x_high - x_low), up / (y_high - y_low)) > 0.38, "in one direction it fills three quarters"


def test_names_stand_beside_the_points_of_their_class_and_hide_none():
    points = np.array([[0.0, 0.0]] * 6 + [[1.0, 1.0], [-1.0, -1.0]])
    labels = np.array([0, 0, 1, 1, 2, 2, 2, 2], np.int32)
    text = render_scatter(points, labels, NAMES, 60, 24).text()
    assert all(name in text for name in NAMES), "three classes in one cell, and three names around it"
    plain = render_scatter(points, labels, NAMES, 60, 24, names=False)
    assert all(mark in text for mark in plain.text().split())


def test_isolating_a_class_leaves_the_others_as_faint_dots():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3, dtype=np.int32), 20)
    cells = render_scatter(rng.normal(size=(60, 2)), labels, NAMES, 60, 30, isolate=1, names=False)
    inks = set(np.unique(cells.ink[cells.glyphs != ord(" ")]).tolist())
    assert inks == {1, FAINT}


def test_the_legend_says_how_many_classes_it_leaves_out():
    names = [f"class{i}" for i in range(100)]
    assert "+91" in render_legend(names, 60, 2).text()
    assert "+" not in render_legend(names[:5], 80, 1).text()


def test_common_beginnings_do_not_hide_what_tells_classes_apart():
    names = [f"species_{i:03d}" for i in range(200)]
    text = render_legend(names, 90, 3).text()
    assert "…000" in text
    assert "…001" in text
    points = np.array([[-1.0, 0.0], [1.0, 0.0]])
    drawn = render_scatter(points, np.array([0, 1], np.int32), ["a_common_beginning_1", "a_common_beginning_2"], 40, 24)
    assert "g_1" in drawn.text() or "…1" in drawn.text()
    assert "…2" in drawn.text()


def test_the_legend_shortens_names_before_it_leaves_classes_out():
    names = [f"a_rather_long_name_of_{i}" for i in range(20)]
    assert legend_rows(names, 60) > 2
    text = render_legend(names, 60, 3).text()
    assert "+" not in text
    assert "…19" in text


def test_names_in_any_script_are_written_in_the_cells_they_take():
    names = ("猫科", "भालू", "кот")
    points = np.array([[-1.0, -1.0], [1.0, 1.0], [1.0, -1.0]])
    for cells in (render_scatter(points, np.array([0, 1, 2], np.int32), names, 40, 24), render_legend(names, 40, 1)):
        assert all(name in cells.text() for name in names)
        assert "?" not in cells.text()
        rows = [cells.strip(row, colours(True), Style()) for row in range(cells.height)]
        assert all(sum(cell_len(segment.text) for segment in row) == 40 for row in rows)
    assert "class 0" in render_legend(names, 40, 1, glyphs=ASCII).text()


def test_a_class_of_many_has_its_ink_and_its_letter_without_colours():
    points, labels = np.array([[-1.0, -1.0], [1.0, 1.0]]), np.array([3, 25], np.int32)
    names = [chr(65 + i) for i in range(26)]
    cells = render_scatter(points, labels, names, 40, 20, names=False)
    assert set(cells.ink[cells.glyphs != ord(" ")].tolist()) == {class_ink(3, 26), class_ink(25, 26)}
    plain = render_scatter(points, labels, names, 40, 20, names=False, glyphs=replace(UNICODE, colour=False))
    assert set(plain.text().split()) == {"D", "Z"}


def test_no_points_say_so():
    assert "no embedding yet" in render_scatter(np.zeros((0, 2)), np.zeros(0, np.int32), NAMES, 40, 5).text()


def test_the_legend_shows_the_isolated_class_and_stands_closer_before_it_leaves_any_out():
    names = [f"class{i}" for i in range(100)]
    assert "class77" in render_legend(names, 60, 2, isolate=77).text()
    letters = [chr(97 + i) for i in range(26)]
    assert "+" not in render_legend(letters, 54, 2).text()


def test_a_blank_parts_a_name_from_points_where_there_is_room_for_one():
    points = np.array([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0], [0.03, 0.0], [0.06, 0.0]])
    labels = np.array([0, 0, 1, 1, 1], np.int32)
    row = next(row for row in render_scatter(points, labels, ("left", "7"), 60, 21).text().splitlines() if "7" in row)
    assert row[row.index("7") - 1] == row[row.index("7") + 1 :][:1] == " ", row


@pytest.mark.parametrize(("classes", "glyphs"), [(200, UNICODE), (30, replace(UNICODE, colour=False))])
def test_where_no_colour_ties_a_name_to_its_points_it_stands_in_their_row_or_not_at_all(classes, glyphs):
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(classes, 2)), np.arange(classes, dtype=np.int32)
    names = [f"<{label}>" for label in range(classes)]
    rows = render_scatter(points, labels, names, 100, 34, names=False, glyphs=glyphs)
    cells = render_scatter(points, labels, names, 100, 34, glyphs=glyphs)
    found = [(int(name), row) for row in range(34) for name in re.findall(r"<(\d+)>", cells.row_text(row))]
    assert found
    (low, high), height = fit(points, 100, 34)[1], 34
    for label, row in found:
        assert row == min(height - 1, int((1 - (points[label, 1] - low) / (high - low)) * height))
    assert rows.text() != cells.text()
    isolated = render_scatter(points, labels, names, 100, 34, isolate=7, glyphs=glyphs)
    assert "<7>" in isolated.text(), "one alone has no other to be taken for"
