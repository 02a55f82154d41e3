import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from simo2_core.model.encoders import YatCNN, average_pool, drop


def images(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


@pytest.mark.parametrize(("size", "channels"), [((8, 8), 1), ((7, 5), 3), ((1, 1), 1), ((1, 4), 3)])
def test_any_size_becomes_one_vector_an_image(size, channels):
    encoder = YatCNN(channels, 4, (6, 8, 10, 12), 0.2, rngs=nnx.Rngs(0))
    representation = jax.jit(lambda x: encoder(x))(images(2, *size, channels))
    assert representation.shape == (2, 12)
    assert np.isfinite(representation).all()


def test_pooling_averages_what_a_window_holds():
    x = images(2, 5, 4, 3)
    pooled = average_pool(x)
    assert pooled.shape == (2, 3, 2, 3)
    np.testing.assert_allclose(pooled[:, 0, 1], np.asarray(x[:, :2, 2:]).mean(axis=(1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pooled[:, 2, 0], np.asarray(x[:, 4:, :2]).mean(axis=(1, 2)), rtol=1e-5, atol=1e-6)
    one = images(2, 1, 1, 3)
    np.testing.assert_array_equal(average_pool(one), one)


def test_dropout_is_a_function_of_its_key_and_keeps_the_mean():
    x = jnp.ones((64, 8, 8, 4))
    once, again, other = (drop(jax.random.key(seed), x, 0.2) for seed in (0, 0, 1))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()
    assert set(np.unique(once)) == {np.float32(0), np.float32(1.25)}
    assert float(once.mean()) == pytest.approx(1, abs=0.02)


def test_nothing_is_dropped_without_a_key():
    x, key = images(4, 4, 4, 1), jax.random.key(0)
    never, often = (YatCNN(1, 4, (6, 8), rate, rngs=nnx.Rngs(0)) for rate in (0.0, 0.5))
    np.testing.assert_array_equal(never(x), often(x))
    np.testing.assert_array_equal(never(x, dropout_key=key), never(x))
    assert (often(x, dropout_key=key) != often(x)).any()


def test_blocks_drop_differently():
    encoder = YatCNN(1, 4, (4, 4), 0.5, rngs=nnx.Rngs(0))
    seen = []
    encoder.block0, encoder.block1 = (lambda x, dropout_key: seen.append(dropout_key) or x for _ in range(2))
    encoder(images(1, 2, 2, 1), dropout_key=jax.random.key(0))
    assert (jax.random.key_data(seen[0]) != jax.random.key_data(seen[1])).any()
