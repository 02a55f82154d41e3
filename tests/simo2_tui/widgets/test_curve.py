from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from simo2_tui.widgets.curve import Flag, Series, View, render_curves, smoothed, value_at, value_range
from simo2_tui.widgets.palette import ALERT, ASCII, FAINT, UNICODE, colours
from simo2_tui.widgets.raster import column_medians

TABLE = colours(dark=True)
PLAIN = replace(UNICODE, colour=False)


def series(y, name="total", **options):
    y = np.asarray(y, np.float64)
    return Series(name, np.arange(1.0, len(y) + 1), y, 0, **options)


@given(
    st.integers(1, 120),
    st.integers(1, 40),
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=40),
    st.booleans(),
    st.sampled_from([1, 3, 10]),
    st.sampled_from([UNICODE, ASCII]),
)
@settings(deadline=None, max_examples=80)
def test_every_row_is_exactly_as_wide_as_asked(width, height, values, log_y, smooth, glyphs):
    view = View(high=50, log_y=log_y, smooth=smooth, cursor=3.0)
    cells = render_curves([series(values), series(values, "same")], view, width, height, glyphs=glyphs)
    assert (cells.width, cells.height) == (width, height)
    for row in range(height):
        strip = cells.strip(row, TABLE, Style())
        assert strip.cell_length == width == sum(cell_len(segment.text) for segment in strip)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_marked_at_its_step(bad):
    y = np.ones(100)
    y[49] = bad
    cells = render_curves([series(y)], View(high=100), 107, 20)
    marks = np.argwhere(cells.glyphs == ord(UNICODE.broken))
    assert len(marks) == 1
    assert marks[0, 1] == pytest.approx(7 + 50, abs=1)
    assert cells.ink[tuple(marks[0])] == ALERT


def test_a_spike_reaches_the_top_row_of_a_long_run():
    y = np.ones(100_000)
    y[70_000] = 100.0
    cells = render_curves([series(y)], View(high=100_000), 200, 60)
    top = next(row for row in range(1, 59) if (cells.glyphs[row, 7:] >= 0x2801).any())
    assert top <= 2


def test_the_legend_shows_the_newest_values_or_those_at_the_cursor():
    y = np.arange(1.0, 101.0)
    assert "total 100" in render_curves([series(y)], View(high=100), 80, 10).row_text(0)
    at = render_curves([series(y)], View(high=100, cursor=40.0), 80, 10).row_text(0)
    assert at.startswith("@40 ")
    assert "total 40" in at


def test_a_legend_too_long_for_its_row_loses_the_line_samples_not_the_values():
    items = [series([1.0], name, unit="%") for name in ("kNN", "proj", "raw", "rank")]
    row = render_curves(items, View(high=10), 32, 10).row_text(0)
    assert UNICODE.line not in row
    assert row.split() == ["kNN", "1%", "proj", "1%", "raw", "1%", "rank", "1%"]


def test_log_axis_covers_positive_values_and_ignores_the_others():
    low, high = value_range([series([-5.0, 0.0, 0.01, 100.0])], View(log_y=True))
    assert 10**low <= 0.01
    assert 10**high >= 100.0


def test_only_what_is_in_view_decides_the_range():
    y = np.concatenate([np.full(50, 1000.0), np.full(50, 1.0)])
    low, high = value_range([series(y)], View(low=60, high=100))
    assert (low, high) != pytest.approx((0, 1000))
    assert high < 10


def test_a_moving_mean_skips_what_is_not_finite_and_keeps_the_hole():
    y = np.array([1.0, 2.0, np.nan, 4.0, 5.0])
    assert np.allclose(smoothed(y, 3), [1.0, 1.5, np.nan, 3.0, 4.5], equal_nan=True)
    assert smoothed(y, 1) is y


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60), st.integers(1, 12))
@settings(deadline=None, max_examples=50)
def test_the_moving_mean_is_the_mean(values, steps):
    y = np.array(values)
    expected = [y[max(0, i + 1 - steps) : i + 1].mean() for i in range(len(y))]
    assert np.allclose(smoothed(y, steps), expected, atol=1e-6)
    assert value_at(series(y), None, steps) == pytest.approx(expected[-1], abs=1e-6)


def test_flags_stand_at_their_step_and_outside_ones_do_not():
    cells = render_curves([series(np.zeros(100))], View(high=100), 107, 12, flags=[Flag(30, 4), Flag(300, 4)])
    marks = np.argwhere(cells.glyphs == ord(UNICODE.flag))
    assert len(marks) == 1
    assert marks[0, 1] == pytest.approx(7 + 30, abs=1)


def test_appending_on_a_fixed_axis_changes_few_cells():
    rng = np.random.default_rng(0)
    y = rng.normal(size=10_050)
    view = View(high=20_000)
    before = render_curves([series(y[:10_000])], view, 200, 60)
    after = render_curves([series(y)], view, 200, 60)
    regions = after.changes(before)
    assert regions is not None
    assert sum(region.width for region in regions) < 200


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_without_colours_each_curve_has_marks_that_the_legend_names(glyphs):
    plain = replace(glyphs, colour=False)
    items = [series(np.full(100, level), name) for level, name in ((1.0, "one"), (5.0, "five"))]
    items.append(series(np.full(3, 9.0), "nine", dotted=True))
    tight = render_curves(items, View(high=100), 25, 20, glyphs=plain).row_text(0)
    assert f"{glyphs.markers[0]} one 1 {glyphs.markers[1]} five 5" in tight
    cells = render_curves(items, View(high=100), 90, 20, glyphs=plain)
    legend = cells.row_text(0)
    assert [legend[legend.index(name) - 2] for name in ("one", "five", "nine")] == list(glyphs.markers[:3])
    for mark in glyphs.markers[:2]:
        rows, columns = np.nonzero(cells.glyphs[1:-1] == ord(mark))
        assert len(columns) >= 6
        assert len(set(rows.tolist())) == 1, "on its own curve"
    assert cells.text().count(glyphs.markers[2]) > 1
    assert UNICODE.line not in legend
    assert UNICODE.markers[0] not in render_curves(items, View(high=100), 90, 20, glyphs=UNICODE).text()


def test_without_colours_a_warning_is_told_from_a_checkpoint():
    flags = [Flag(30, 4), Flag(60, ALERT)]
    row = render_curves([series(np.zeros(100))], View(high=100), 107, 12, flags=flags, glyphs=PLAIN).row_text(1)
    assert row.index(UNICODE.flag) < row.index("!")


def test_an_empty_chart_says_so():
    assert "no steps yet" in render_curves([], View(), 60, 10).text()


def levels(y, **options):
    """The value axis that values get, as a user reads it."""
    return value_range([series(np.asarray(y, float))], View(high=len(y), **options))


def test_one_spike_does_not_press_the_others_flat_and_is_marked():
    y = np.sin(np.arange(400) / 20)
    y[200] = 1e6
    low, high = levels(y)
    assert (low, high) == pytest.approx((-1.5, 1.5), abs=0.6)
    cells = render_curves([series(y)], View(high=400), 80, 20)
    [column] = [at for at, char in enumerate(cells.row_text(1)) if char == "↑"]
    assert abs((column - 7) / 73 - 0.5) < 0.03
    assert levels(y, all_values=True)[1] >= 1e6
    assert "↑" not in render_curves([series(y)], View(high=400, all_values=True), 80, 20).text()


@pytest.mark.parametrize("log_y", [False, True])
def test_the_first_steps_do_not_press_those_that_follow_flat(log_y):
    rng = np.random.default_rng(0)
    y = 1 + 0.05 * rng.random(10_000)
    y[:30] = np.geomspace(1e5, 1, 30)
    _, high = levels(y, log_y=log_y)
    assert high < (0.5 if log_y else 2)
    cells = render_curves([series(y)], View(high=10_000, log_y=log_y), 80, 20)
    assert cells.row_text(1)[7] == "↑"
    assert cells.row_text(1).count("↑") == 1


def test_a_dip_is_marked_at_the_bottom_also_in_ascii():
    y = np.full(400, 5.0) + np.arange(400) % 2 / 10
    y[100] = -1e4
    for glyphs, arrow in ((UNICODE, "↓"), (ASCII, "v")):
        cells = render_curves([series(y)], View(high=400), 80, 20, glyphs=glyphs)
        assert arrow in cells.row_text(18)


@pytest.mark.parametrize(
    "y",
    [
        np.linspace(3000, 800, 400),  # a usual course
        800 + 2200 * np.exp(-np.arange(400) / 60),
        np.r_[np.full(390, 1.0), np.linspace(1, 50, 10)],  # it really leaves: the newest are followed
        np.random.default_rng(1).normal(size=400),
        np.r_[1e6, np.ones(10)],  # few values: who knows what is usual
    ],
)
def test_what_is_usual_has_its_place_on_the_axis(y):
    low, high = levels(y)
    assert low <= y.min()
    assert high >= np.median(y[-5:])
    assert high >= y.max() or (len(y) == 400 and y.max() == 50)


def test_evaluations_are_few_and_all_have_a_place():
    y = np.r_[0.1, np.full(60, 0.99)]
    item = series(y, dotted=True)
    assert value_range([item], View(high=61))[0] <= 0.1


def test_a_dense_curve_is_its_median_over_a_faint_band():
    rng = np.random.default_rng(0)
    y = np.where(rng.random(20_000) < 0.1, 9.0, 1.0)  # the median is 1
    cells = render_curves([series(y)], View(high=20_000, y_range=(0, 10)), 80, 22)
    bright = (cells.ink[1:-1, 7:] == 0).any(axis=1)
    faint = (cells.ink[1:-1, 7:] == FAINT).any(axis=1)
    assert np.flatnonzero(bright).tolist() == [17], "one row, that of the median"
    assert np.flatnonzero(faint)[[0, -1]].tolist() == [0, 19]
    few = render_curves([series(y[:60])], View(high=60, y_range=(0, 10)), 80, 22)
    assert (few.ink[2:-2, 8:] == 0).any(axis=1).sum() > 10, "few points are drawn as they are"


def test_a_median_of_values_that_are_not_finite_is_that_of_the_others():
    y = np.tile([1.0, np.nan, 3.0, np.inf, 1.0], 200)
    x, medians = column_medians(np.arange(1.0, 1001), y, (0, 1000), 20)
    assert len(x) == 20
    assert set(medians) <= {1.0, 3.0}
    assert len(column_medians(np.arange(1.0, 1001), np.full(1000, np.nan), (0, 1000), 20)[0]) == 0


def test_the_first_curve_is_on_top():
    flat = np.full(50, 5.0)
    cells = render_curves([series(flat, "first"), replace(series(flat, "second"), ink=3)], View(high=50), 80, 12)
    drawn = cells.ink[1:-1, 7:]
    assert (drawn == 0).sum() > 60
    assert not (drawn == 3).any()
    points = render_curves(
        [series(flat[:5], "first", dotted=True), replace(series(flat[:5], "second", dotted=True), ink=3)],
        View(high=5),
        80,
        12,
    )
    assert not (points.ink[1:-1, 7:] == 3).any()


def test_a_legend_without_room_says_how_many_curves_it_leaves_out():
    items = [series(np.ones(5), f"quantity{i}") for i in range(7)]
    for width in (40, 60, 79):
        head = render_curves(items, View(high=5), width, 12).row_text(0).rstrip()
        shown = head.count("quantity")
        assert head.endswith(f"+{7 - shown}"), head
    assert "+" not in render_curves(items, View(high=5), 200, 12).row_text(0)
