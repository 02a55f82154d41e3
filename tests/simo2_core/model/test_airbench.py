from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from simo2_core.compiling import jit
from simo2_core.config import ModelConfig
from simo2_core.encoders.airbench import Airbench, YatAirbench
from simo2_core.encoders.encoder import encoder_of
from simo2_core.model.airbench import max_pool, whitening_filters
from simo2_core.model.build import build_model
from simo2_core.model.fitted import Fitted
from simo2_core.model.network import Network

IMAGES: Any = (np.random.default_rng(0).normal(size=(40, 9, 10, 3)).cumsum(axis=1) / 4).astype(np.float32)
SMALL = (16, 24)


def patches_of(images: np.ndarray) -> np.ndarray:
    """(N, 12) every 2×2 patch, one by one."""
    n, height, width, _ = images.shape
    return np.array(
        [images[i, y : y + 2, x : x + 2].ravel() for i in range(n) for y in range(height - 1) for x in range(width - 1)]
    )


def test_whitened_patches_are_uncorrelated_and_of_variance_one() -> None:
    filters = whitening_filters(IMAGES)
    assert filters.shape == (2, 2, 3, 24)
    whitened = patches_of(IMAGES) @ filters.reshape(12, 24)
    np.testing.assert_allclose(whitened[:, :12].T @ whitened[:, :12] / len(whitened), np.eye(12), atol=0.02)
    np.testing.assert_array_equal(filters[..., 12:], -filters[..., :12])
    np.testing.assert_array_equal(filters, whitening_filters(IMAGES))


def test_it_is_the_published_network() -> None:
    model = nnx.eval_shape(lambda: build_model(ModelConfig(encoder=Airbench()), 3, jax.random.key(0)))
    shapes = [leaf.shape for leaf in jax.tree.leaves(nnx.state(model.encoder, nnx.Param)) if len(leaf.shape) == 4]
    groups = [(24, 64), (64, 64), (64, 256), (256, 256), (256, 256), (256, 256)]
    assert sorted(shapes) == sorted((3, 3, *pair) for pair in groups)
    assert sum(np.prod(shape) for shape in shapes) == Airbench().weights(3)
    assert Airbench().smallest_side == 9


def test_filters_begin_as_the_identity() -> None:
    block: Any = build_model(ModelConfig(encoder=Airbench(groups=SMALL)), 1, jax.random.key(0)).encoder.block0
    x = np.tile(IMAGES[:2, :, :, :1], (1, 1, 1, 8))
    y = np.asarray(jit(lambda x: block.conv1(x))(x))
    np.testing.assert_allclose(y[..., :8], x, atol=1e-6)
    assert not np.allclose(y[..., 8:], x, atol=0.1)


@pytest.mark.parametrize("shape", [(7, 6), (1, 4), (1, 1), (2, 2)])
def test_pooling_takes_the_largest_of_whole_windows(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(1).normal(size=(2, *shape, 3)).astype(np.float32)
    rows, columns = (np.arange(max(1, side // 2)) for side in shape)
    expected = [[x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(1, 2)) for j in columns] for i in rows]
    np.testing.assert_array_equal(jit(max_pool)(x), np.moveaxis(np.array(expected), 2, 0))


@pytest.mark.parametrize("shape", [(4, 6), (5, 4), (1, 3)])
def test_the_gradient_of_pooling_goes_to_the_largest_and_is_shared_by_equals(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(2).integers(0, 3, (2, *shape, 3)).astype(np.float32)
    rows, columns = (max(1, side // 2) for side in shape)
    given = np.random.default_rng(3).normal(size=(2, rows, columns, 3)).astype(np.float32)
    expected = np.zeros_like(x)
    for n, i, j, c in np.ndindex(given.shape):
        window = x[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]
        largest = window == window.max()
        expected[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c] = largest * given[n, i, j, c] / largest.sum()
    for dtype, bound in ((jnp.float32, 1e-6), (jnp.bfloat16, 2**-7)):
        found = jit(lambda x, given: jax.vjp(max_pool, x)[1](given))(x.astype(dtype), given.astype(dtype))[0]
        assert found.dtype == dtype
        np.testing.assert_allclose(np.asarray(found, np.float32), expected, rtol=bound)


@pytest.mark.parametrize("encoder", [Airbench, YatAirbench])
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_whitening_is_fitted_and_frozen_and_only_batch_norm_follows_batches(encoder: Any, norm: str) -> None:
    config = ModelConfig(encoder=encoder(groups=SMALL, group_norm=norm), embedding_size=4)
    network, params, stats = Network.build(config, 3, jax.random.key(0), IMAGES)
    assert network.fitted == {"encoder/stem/kernel"}
    assert network.follows_batches == bool(config.encoder.needs_whole_batch) == (norm == "batch")
    np.testing.assert_array_equal(stats["encoder/stem/kernel"], whitening_filters(IMAGES))
    x, keys = jnp.asarray(IMAGES[:6]), jax.random.split(jax.random.key(0), 6)

    def loss(params: Any) -> Any:
        h, z, after = network.train(params, stats, x, keys)
        return jnp.square(h).sum() + z[:, 0].sum(), (h, after)

    gradient, (h, after) = jit(jax.grad(loss, has_aux=True))(params)
    assert h.shape == (6, 24)
    assert np.isfinite(np.asarray(h)).all()
    assert all(np.isfinite(np.asarray(value)).all() for value in gradient.values())
    assert not any("stem/kernel" in name for name in params)
    np.testing.assert_array_equal(after["encoder/stem/kernel"], stats["encoder/stem/kernel"])


class Centred(nnx.Module):
    """A stranger's module, which is fitted on the mean of the images it is shown."""

    features = 3
    fits_on = 7

    def __init__(self, channels: int, *, rngs: nnx.Rngs) -> None:
        self.mean = Fitted(jnp.zeros((channels,)))
        self.scale = nnx.Param(jnp.ones((channels,)))

    def fit(self, images: np.ndarray) -> None:
        self.mean[...] = jnp.asarray(images.mean(axis=(0, 1, 2)))

    def __call__(self, images: jax.Array) -> jax.Array:
        return (images.mean(axis=(1, 2)) - self.mean[...][None, :]) * self.scale[...][None, :]


def test_an_encoder_of_anybodys_can_be_fitted_on_training_images() -> None:
    encoder = encoder_of(Centred, "centred")()
    assert encoder.fits_on == 7
    assert Airbench().fits_on > 0
    network, params, stats = Network.build(ModelConfig(encoder=encoder), 3, jax.random.key(0), IMAGES)
    assert not network.follows_batches
    representation, _ = jit(network.infer)(params, stats, IMAGES)
    np.testing.assert_allclose(np.mean(representation, axis=0), 0, atol=1e-5)
