import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.style import Style

from simo2_tui.widgets.palette import ASCII, FAINT, UNICODE, colours
from simo2_tui.widgets.scatter import fit, render_legend, render_scatter

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


def test_one_unit_is_as_long_across_as_up():
    (x_low, x_high), (y_low, y_high) = fit(np.array([[1.0, 0.2], [-1.0, 0.0]]), 80, 20)
    assert (x_high - x_low) / 80 == pytest.approx((y_high - y_low) / (20 * 2))
    assert x_high >= 1.0


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


def test_no_points_say_so():
    assert "no embedding yet" in render_scatter(np.zeros((0, 2)), np.zeros(0, np.int32), NAMES, 40, 5).text()
