import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.palette import ASCII, UNICODE
from simo2_tui.widgets.raster import Raster, column_extents


def test_one_spike_in_a_hundred_thousand_steps_is_kept():
    x = np.arange(100_000.0)
    y = np.zeros(100_000)
    y[54_321] = 7.0
    low, high = column_extents(x, y, (0, 100_000), 400)
    assert np.nanmax(high) == 7.0
    assert np.nanargmax(high) == pytest.approx(54_321 / 100_000 * 399, abs=1)
    assert np.nanmin(low) == 0.0


def test_a_value_that_is_not_finite_leaves_a_gap():
    x = np.arange(11.0)
    y = np.ones(11)
    y[5] = np.nan
    _, high = column_extents(x, y, (0, 10), 101)
    assert np.isfinite(high[:41]).all()
    assert np.isnan(high[42:60]).all()
    assert np.isfinite(high[60:]).all()


def test_columns_between_two_points_are_interpolated():
    low, high = column_extents(np.array([0.0, 10.0]), np.array([0.0, 10.0]), (0, 10), 11)
    assert np.allclose(high, np.arange(11))
    assert np.allclose(low[1:], np.arange(10)), "each column reaches back to the one before"


def test_a_line_enters_and_leaves_a_zoomed_window():
    x = np.arange(0.0, 1000.0, 100.0)
    _, high = column_extents(x, x, (420, 480), 60)
    assert np.isfinite(high).all()
    assert np.allclose(high, np.linspace(420, 480, 60), atol=4)


@given(
    st.integers(0, 60),
    st.integers(0, 20),
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=0, max_size=50),
)
@settings(deadline=None, max_examples=60)
def test_any_numbers_in_any_size_draw_without_error(width, height, values):
    raster = Raster(width, height)
    y = np.array(values, np.float64)
    raster.line(np.arange(float(len(y))), y, (0.0, max(1.0, len(y) - 1.0)), (-1.0, 1.0), 3)
    assert raster.bits.shape == (height, width)
    assert ((raster.ink == 3) == (raster.bits > 0)).all()


def test_points_outside_the_ranges_are_left_out():
    raster = Raster(10, 5)
    x, y = np.array([0.5, 2.0, np.nan]), np.array([0.5, 0.5, 0.5])
    raster.points(x, y, (0, 1), (0, 1), np.array([1, 2, 3], np.int16))
    assert np.count_nonzero(raster.bits) == 1
    assert raster.ink.max() == 1


@pytest.mark.parametrize(("glyphs", "allowed"), [(UNICODE, range(0x2801, 0x2900)), (ASCII, [ord(c) for c in "'.:|"])])
def test_dots_become_braille_or_ascii(glyphs, allowed):
    raster = Raster(20, 5)
    raster.line(np.arange(20.0), np.sin(np.arange(20.0)), (0, 19), (-1, 1), 0)
    cells = Cells(22, 7)
    raster.stamp(cells, 1, 1, glyphs)
    drawn = cells.glyphs[cells.glyphs != ord(" ")]
    assert len(drawn) > 20
    assert set(drawn.tolist()) <= set(allowed)
