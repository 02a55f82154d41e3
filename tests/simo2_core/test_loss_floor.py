from functools import partial

import numpy as np
import pytest

from simo2_core.compiling import jit
from simo2_core.loss import simo2_loss
from simo2_core.loss_floor import balanced_pull, loss_floor, pair_counts, welch_floor


def test_orthogonal_classes_of_equal_samples_reach_the_floor() -> None:
    z_ckd = np.repeat(np.eye(5, 8)[:, None], 4, axis=1)
    np.testing.assert_allclose([*map(float, jit(simo2_loss)(np.float32(z_ckd)))], loss_floor(5, 4), rtol=1e-5)


def test_pairs_are_counted_as_the_loss_counts_them() -> None:
    nothing_alike = jit(simo2_loss)(np.zeros((5, 4, 8), np.float32))  # r = 0, so every pair costs 1
    np.testing.assert_allclose([*map(float, nothing_alike)], pair_counts(5, 4), rtol=1e-6)


@pytest.mark.parametrize(("classes", "dimensions", "floor"), [(3, 2, 0.25), (10, 16, 0), (1, 4, 0), (4, 3, 1 / 9)])
def test_the_welch_floor_by_hand(classes: int, dimensions: int, floor: float) -> None:
    assert welch_floor(classes, dimensions) == pytest.approx(floor)


def test_three_lines_at_sixty_degrees_meet_the_welch_floor() -> None:
    angles = np.pi * np.arange(3) / 3
    gram = np.cos(angles[:, None] - angles[None, :])
    assert np.mean(gram[~np.eye(3, dtype=bool)] ** 2) == pytest.approx(welch_floor(3, 2))


@pytest.mark.parametrize(("bias", "same_bias"), [(0.0, 1.0), (0.0, 5.0), (0.5, 0.25)])
def test_the_floor_of_weighted_pairs_is_reached_and_nothing_is_below_it(bias: float, same_bias: float) -> None:
    floor = loss_floor(5, 4, epsilon=0.5, bias=same_bias, pull=3.0)
    loss = jit(partial(simo2_loss, epsilon=0.1, bias=bias, same_epsilon=0.5, same_bias=same_bias, pull=3.0))
    if bias == 0:
        z_ckd = np.repeat(np.eye(5, 8)[:, None], 4, axis=1)
        np.testing.assert_allclose([*map(float, loss(np.float32(z_ckd)))], floor, rtol=1e-5)
    for seed in range(5):
        z = np.random.default_rng(seed).normal(size=(5, 4, 8))
        z[..., 3:] = 0
        found = loss(np.float32(z / np.linalg.norm(z, axis=-1, keepdims=True)))
        assert (np.array([*map(float, found)]) >= np.array(floor)).all()


def test_the_balanced_pull_by_hand() -> None:
    assert balanced_pull(20, 8) == pytest.approx(19 / 7)
