"""The reasoning inside the pictures: what is kept of a long run, where names go, which plane, which order."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from simo2_core.analysis.plots.curves import decimate, running_median
from simo2_core.analysis.plots.labels import class_points
from simo2_core.analysis.plots.pairs import pair_plane
from simo2_core.analysis.plots.similarity import block_order, describe_gram

VALUES = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([np.nan, np.inf, -np.inf]))


@settings(max_examples=40, deadline=None)
@given(values=arrays(np.float64, st.integers(0, 200), elements=VALUES), buckets=st.integers(1, 30))
def test_decimation_keeps_the_extremes_and_the_order(values, buckets):
    steps = np.arange(1, len(values) + 1)
    kept_steps, kept = decimate(steps, values, buckets)
    finite = values[np.isfinite(values)]
    assert len(kept) <= 2 * buckets or len(kept) == len(finite)
    assert np.all(np.diff(kept_steps) > 0)
    np.testing.assert_array_equal(values[kept_steps - 1], kept)
    if len(finite):
        assert (kept.min(), kept.max()) == (finite.min(), finite.max())


def test_running_median_ignores_a_spike_and_what_is_not_finite():
    values = np.full(600, 2.0)
    values[[50, 300]] = 1e9, np.nan
    steps, medians = running_median(np.arange(600), values)
    assert len(steps) <= 300
    np.testing.assert_array_equal(medians, 2.0)
    assert np.isnan(running_median(np.arange(3), np.full(3, np.nan))[1]).all()


def test_a_class_in_two_groups_is_named_at_the_denser_and_a_mixed_one_nowhere():
    rng = np.random.default_rng(0)
    dense, loose, mixed = rng.normal(5, 0.1, (30, 2)), rng.normal(-5, 1, (20, 2)), rng.normal(20, 1, (60, 2))
    points = np.concatenate([dense, loose, mixed])
    labels = np.concatenate([np.zeros(50, int), 1 + np.arange(60) % 3])
    found = class_points(points, labels)
    assert list(found) == [0]
    assert np.linalg.norm(found[0] - [5, 5]) < 0.5


@pytest.mark.parametrize("angle", [0.3, np.pi / 2, 2.5])
def test_the_plane_of_a_pair_keeps_the_angle_of_the_means(angle):
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    one, two = np.tile(3 * basis[0], (4, 1)), np.tile(np.cos(angle) * basis[0] + np.sin(angle) * basis[1], (5, 1))
    plane = pair_plane(one, two)
    np.testing.assert_allclose(plane @ plane.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(plane @ one[0], [3, 0], atol=1e-12)
    np.testing.assert_allclose(plane @ two[0], [np.cos(angle), np.sin(angle)], atol=1e-12)


@pytest.mark.parametrize("sign", [1, -1])
def test_means_along_one_line_are_shown_against_their_widest_spread(sign):
    spread = np.array([-0.3, -0.1, 0.1, 0.3])
    one = np.stack([np.ones(4), np.zeros(4), 0.1 * spread, spread], axis=1)
    two = one * [sign, 1, 1, 1]
    plane = pair_plane(one, two)
    np.testing.assert_allclose(plane[0], [1, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(plane[1], np.array([0, 0, 0.1, 1]) / np.hypot(0.1, 1), atol=1e-9)
    np.testing.assert_allclose(plane @ two.mean(axis=0), [sign, 0], atol=1e-12)
    collapsed = pair_plane(np.ones((3, 2)), sign * np.ones((3, 2)))
    assert np.isfinite(collapsed).all()


def test_sorting_puts_equal_and_opposite_classes_side_by_side():
    gram = np.eye(6)
    for one, two, cosine in ((0, 4, -0.98), (1, 5, 0.9)):
        gram[one, two] = gram[two, one] = cosine
    gram[3, :] = gram[:, 3] = np.nan
    order = block_order(gram).tolist()
    assert sorted(order) == list(range(6))
    assert order[-1] == 3
    assert abs(order.index(0) - order.index(4)) == abs(order.index(1) - order.index(5)) == 1


def test_the_note_under_the_heat_map_names_the_floor_only_where_there_is_one():
    gram = np.array([[1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1]])
    assert "cos² of pairs 0.2500 (Welch's floor 0.2500 for 3 classes in 2 d" in describe_gram(gram, 2, list("abc"))
    assert "a and b, −0.50" in describe_gram(gram, 8, list("abc"))
    assert "0 is possible" in describe_gram(gram, 8, list("abc"))
    assert "no pair" in describe_gram(np.ones((1, 1)), 8, ["a"])
