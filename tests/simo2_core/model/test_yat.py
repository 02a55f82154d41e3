import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from simo2_core.compiling import jit
from simo2_core.model.yat import YatConv

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what a peer warns of is not ours to fix
    from nmn.nnx.layers.conv import YatConv as PeerYatConv


def layers(in_features, out_features, kernel_size, strides, padding):
    ours = YatConv(in_features, out_features, kernel_size, strides=strides, padding=padding, rngs=nnx.Rngs(0))
    peer = PeerYatConv(
        in_features, out_features, kernel_size, strides, padding=padding, use_bias=False, epsilon=1e-5, rngs=nnx.Rngs(0)
    )
    ours.alpha[...] = jnp.float32(0.7)
    peer.alpha[...] = jnp.full((1,), 0.7)
    peer.kernel[...] = ours.kernel[...]
    return ours, peer


def values_and_gradients(layer, x):
    graph, params = nnx.split(layer, nnx.Param)

    @jit
    def both(params, x):
        y, transpose = jax.vjp(lambda params, x: nnx.merge(graph, params)(x), params, x)
        return y, *transpose(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))

    y, gradients, x_gradient = both(params, x)
    return y, x_gradient, gradients["kernel"][...], gradients["alpha"][...].reshape(())


SHAPES = [
    (size, kernel_size, strides, padding)
    for size in [(8, 7), (5, 5), (3, 3), (2, 2), (1, 1)]
    for kernel_size, strides in [((3, 3), (1, 1)), ((3, 3), (2, 2)), ((1, 1), (1, 1))]
    for padding in ("SAME", "VALID")
    if padding == "SAME" or min(size) >= kernel_size[0]  # else nothing comes out
]


@pytest.mark.parametrize(("size", "kernel_size", "strides", "padding"), SHAPES)
def test_agrees_with_the_peer_implementation(size, kernel_size, strides, padding):
    ours, peer = layers(3, 5, kernel_size, strides, padding)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(4, *size, 3)), jnp.float32)
    with jax.numpy_rank_promotion("allow"):
        theirs = values_and_gradients(peer, x)
    for found, expected in zip(values_and_gradients(ours, x), theirs, strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * scale)


def by_patches(layer, x):
    """The definition, a patch at a time, padded with zeros around a 3×3 kernel."""
    kernel = np.asarray(layer.kernel[...], np.float64)
    padded = np.pad(np.asarray(x, np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    n, h, w, _ = x.shape
    y = np.zeros((n, h, w, kernel.shape[-1]))
    for image, row, column, o in np.ndindex(*y.shape):
        patch, weights = padded[image, row : row + 3, column : column + 3], kernel[..., o]
        y[image, row, column, o] = (patch * weights).sum() ** 2 / (((patch - weights) ** 2).sum() + layer.epsilon)
    return y


def test_agrees_with_its_definition():
    layer = YatConv(2, 3, 3, epsilon=0.1, rngs=nnx.Rngs(0))
    x = jnp.asarray(np.random.default_rng(1).normal(size=(2, 5, 4, 2)), jnp.float32)
    np.testing.assert_allclose(layer(x), by_patches(layer, x), rtol=1e-5, atol=1e-7)


def test_finite_where_a_patch_equals_a_kernel_and_where_all_is_zero():
    layer = YatConv(2, 3, 3, padding="VALID", rngs=nnx.Rngs(0))
    same = jnp.transpose(layer.kernel[...], (3, 0, 1, 2))
    for x in (same, 100 * same, jnp.zeros_like(same)):
        for found in values_and_gradients(layer, x):
            assert np.isfinite(found).all()
    assert float(layer(same)[0, 0, 0, 0]) > 1e3, "no distance at all: the largest answer there is"


def test_half_precision_touches_only_the_product():
    x = jnp.asarray(np.random.default_rng(1).normal(size=(4, 8, 8, 16)), jnp.float32)
    whole = YatConv(16, 8, 3, rngs=nnx.Rngs(0))
    half = YatConv(16, 8, 3, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    assert half(x).dtype == jnp.float32
    assert half.kernel[...].dtype == jnp.float32, "master weights stay whole"
    np.testing.assert_allclose(half(x), whole(x), atol=0.03 * float(whole(x).max()))


def test_parameters_have_the_names_and_shapes_that_outsiders_rely_on():
    state = nnx.state(YatConv(3, 5, (3, 2), rngs=nnx.Rngs(0)), nnx.Param)
    assert {name: leaf[...].shape for name, leaf in state.items()} == {"alpha": (), "kernel": (3, 2, 3, 5)}
