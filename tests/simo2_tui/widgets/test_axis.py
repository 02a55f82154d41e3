import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simo2_tui.widgets import axis

finite = st.floats(-1e12, 1e12, allow_nan=False)
positive = st.floats(1e-9, 1e12)


@given(st.floats(allow_nan=True, allow_infinity=True))
@settings(deadline=None, max_examples=200)
def test_any_number_fits_the_gutter(value):
    assert 1 <= len(axis.short(value)) <= 7


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12.345, "12.3"), (999.6, "1000"), (9999, "10k"), (45_600, "45.6k"), (4e-4, "4e-4"),
     (1.24e-5, "1.2e-5"), (float("nan"), "NaN"), (-math.inf, "-Inf"), (3.2e6, "3.2M")],
)  # fmt: skip
def test_numbers_are_short_and_read_right(value, text):
    assert axis.short(value) == text


@given(finite, finite)
@settings(deadline=None, max_examples=100)
def test_round_range_holds_both_values(a, b):
    low, high = axis.round_range(min(a, b), max(a, b))
    slack = 1e-6 * max(1.0, abs(a), abs(b))
    assert low < high
    assert low <= min(a, b) + slack
    assert high >= max(a, b) - slack


@given(positive, positive)
@settings(deadline=None, max_examples=100)
def test_log_range_holds_both_values(a, b):
    low, high = axis.round_log_range(min(a, b), max(a, b))
    assert low < high
    assert 10**low <= min(a, b) * (1 + 1e-6)
    assert 10**high >= max(a, b) * (1 - 1e-6)


@given(st.floats(1, 1e7))
@settings(deadline=None, max_examples=100)
def test_the_step_axis_grows_in_jumps(count):
    reach = axis.jump(count)
    assert reach >= count * (1 - 1e-9)
    assert reach <= max(20.0, count * 1.6)
    assert axis.jump(reach) == pytest.approx(reach)


def test_near_the_end_the_whole_run_is_shown():
    assert axis.jump(350, 400) == 400
    assert axis.jump(100, 100_000) == 100
    assert axis.jump(450, 400) == 500, "steps past the limit stay on the chart"


def test_neighbouring_ticks_have_different_labels():
    values = axis.ticks(0.995, 1.005, 5)
    labels = axis.tick_labels(values)
    assert len(set(labels)) == len(labels) >= 3


def test_log_ticks_name_decades_and_what_is_between_where_there_is_room():
    assert np.allclose(axis.log_ticks(0, 3, 4), [0, 1, 2, 3])
    assert len(axis.log_ticks(0, 1, 6)) == 4


def test_one_axis_counts_in_one_unit():
    assert axis.tick_labels(np.array([0.0, 2000, 4000, 8000, 12_000])) == ["0", "2k", "4k", "8k", "12k"]
    assert axis.tick_labels(np.array([50.0, 1000, 50_000])) == ["50", "1k", "50k"]
    assert axis.tick_labels(np.array([0.0, 2500, 5000])) == ["0", "2500", "5000"], "where all are told in ones"
