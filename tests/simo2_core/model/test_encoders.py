import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from simo2_core.compiling import jit
from simo2_core.model.encoders import YatEncoder, average_pool, drop


def images(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


@pytest.mark.parametrize(("size", "channels"), [((8, 8), 1), ((7, 5), 3), ((1, 1), 1), ((1, 4), 3)])
def test_any_size_becomes_one_vector_an_image(size, channels):
    encoder = YatEncoder(channels, 4, (6, 8, 10, 12), 0.2, rngs=nnx.Rngs(0))
    representation = jit(lambda x: encoder(x))(images(2, *size, channels))
    assert representation.shape == (2, 12)
    assert np.isfinite(representation).all()


def test_pooling_averages_what_a_window_holds():
    x = images(2, 5, 4, 3)
    pooled = jit(average_pool)(x)
    assert pooled.shape == (2, 3, 2, 3)
    np.testing.assert_allclose(pooled[:, 0, 1], np.asarray(x[:, :2, 2:]).mean(axis=(1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pooled[:, 2, 0], np.asarray(x[:, 4:, :2]).mean(axis=(1, 2)), rtol=1e-5, atol=1e-6)
    one = images(2, 1, 1, 3)
    np.testing.assert_array_equal(average_pool(one), one)


def test_dropout_drops_its_share_and_keeps_the_mean():
    x = np.ones((64, 8, 8, 4), np.float32)
    rate = 0.25  # a multiple of 2^-16, so that what is kept is scaled by exactly 4/3
    dropped = jit(lambda draws: drop(draws, x, rate))
    once = np.asarray(dropped(jit(lambda: jax.random.bits(jax.random.key(0), x.shape, jnp.uint16))()))
    assert set(np.unique(once)) == {np.float32(0), np.float32(4 / 3)}
    assert float(once.mean()) == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(dropped(np.full(x.shape, 2**14 - 1, np.uint16)), 0 * x)
    assert (np.asarray(dropped(np.full(x.shape, 2**14, np.uint16))) > 1).all()


def test_nothing_is_dropped_without_a_key():
    x, keys = images(4, 4, 4, 1), jax.random.split(jax.random.key(0), 4)
    never, often = (YatEncoder(1, 4, (6, 8), rate, rngs=nnx.Rngs(0)) for rate in (0.0, 0.5))
    ways = [(never, None), (often, None), (never, keys), (often, keys)]
    found = jit(lambda x: [encoder(x, dropout_keys=given) for encoder, given in ways])(x)
    plain, *same, other = map(np.asarray, found)
    for each in same:
        np.testing.assert_array_equal(each, plain)
    assert (other != plain).any()


def test_blocks_drop_differently():
    encoder = YatEncoder(1, 4, (4, 4), 0.5, rngs=nnx.Rngs(0))
    kept = []
    encoder.block0, encoder.block1 = (lambda x, dropout_draws: kept.append(dropout_draws) or x for _ in range(2))

    @jit
    def draws_of(x):
        kept.clear()
        encoder(x, dropout_keys=jax.random.split(jax.random.key(0), 3))
        return list(kept)

    seen = draws_of(images(3, 5, 5, 1))
    assert [draws.shape for draws in seen] == [(3, 5, 5, 4), (3, 3, 3, 4)]
    every = np.concatenate([draws.reshape(3, -1) for draws in seen], axis=1)
    assert len(np.unique(every)) > 0.99 * every.size, "no draw serves twice"
    assert every.max() < 2**16


def test_what_an_image_drops_does_not_depend_on_the_others():
    encoder = YatEncoder(1, 4, (4, 4), 0.5, rngs=nnx.Rngs(0))
    x, keys = images(6, 5, 5, 1), jax.random.split(jax.random.key(0), 6)
    encode = jit(lambda x, keys: encoder(x, dropout_keys=keys))
    whole = encode(x, keys)
    parts = np.concatenate([encode(x[:3], keys[:3]), encode(x[3:], keys[3:])])
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)
    assert (encode(x, keys[::-1]) != whole).any()
