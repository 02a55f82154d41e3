import jax
import numpy as np
import pytest

from simo2_core.compiling import jit
from simo2_core.model.initial import lecun_normal


def test_has_the_variance_of_one_over_fan_in_and_no_outliers():
    kernel = np.asarray(lecun_normal(jax.random.key(0), (3, 3, 64, 100)))  # several pieces
    assert kernel.shape == (3, 3, 64, 100)
    assert kernel.var() == pytest.approx(1 / (9 * 64), rel=0.02)
    assert np.abs(kernel).max() <= 2 / np.sqrt(9 * 64) / 0.8796
    assert len(np.unique(kernel)) > 0.98 * kernel.size, "pieces differ: few of the 2²³ numbers repeat"


def test_is_decided_by_the_key_traced_or_not():
    once, again, other = (np.asarray(lecun_normal(jax.random.key(seed), (5, 4000))) for seed in (0, 0, 1))
    np.testing.assert_array_equal(once, again)
    assert (once != other).mean() > 0.99
    traced = jit(lambda key: lecun_normal(key, (5, 4000)))(jax.random.key(0))
    np.testing.assert_allclose(traced, once, rtol=1e-6)
