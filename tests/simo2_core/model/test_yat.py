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


def values_and_gradients(layers, every):
    """Of each layer with its images: all as one program."""
    graphs, params = zip(*(nnx.split(layer, nnx.Param) for layer in layers), strict=True)

    def both(graph, params, x):
        y, transpose = jax.vjp(lambda params, x: nnx.merge(graph, params)(x), params, x)
        return y, *transpose(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))

    program = jit(lambda params, every: [both(*each) for each in zip(graphs, params, every, strict=True)])
    for y, gradients, x_gradient in program(params, every):
        yield y, x_gradient, gradients["kernel"][...], np.reshape(gradients["alpha"][...], ())


@pytest.mark.parametrize("size", [(8, 7), (5, 5), (3, 3), (2, 2), (1, 1)])
def test_agrees_with_the_peer_implementation(size):
    ways = [
        (kernel_size, strides, padding)
        for kernel_size, strides in [((3, 3), (1, 1)), ((3, 3), (2, 2)), ((1, 1), (1, 1))]
        for padding in ("SAME", "VALID")
        if padding == "SAME" or min(size) >= kernel_size[0]  # else nothing comes out
    ]
    ours, peers = zip(*(layers(3, 5, *way) for way in ways), strict=True)
    every = [np.float32(np.random.default_rng(1).normal(size=(4, *size, 3)))] * len(ways)
    with jax.numpy_rank_promotion("allow"):
        theirs = list(values_and_gradients(peers, every))
    for way, mine, peer in zip(ways, values_and_gradients(ours, every), theirs, strict=True):
        for found, expected in zip(mine, peer, strict=True):
            scale = np.abs(expected).max()
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * scale, err_msg=str(way))


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
    np.testing.assert_allclose(jit(lambda x: layer(x))(x), by_patches(layer, x), rtol=1e-5, atol=1e-7)


def test_finite_where_a_patch_equals_a_kernel_and_where_all_is_zero():
    layer = YatConv(2, 3, 3, padding="VALID", rngs=nnx.Rngs(0))
    same = np.transpose(layer.kernel[...], (3, 0, 1, 2))
    every = [same, 100 * same, np.zeros_like(same)]
    found = list(values_and_gradients([layer] * 3, every))
    assert all(np.isfinite(array).all() for each in found for array in each)
    assert float(found[0][0][0, 0, 0, 0]) > 1e3, "no distance at all: the largest answer there is"


def test_half_precision_touches_only_the_product():
    x = jnp.asarray(np.random.default_rng(1).normal(size=(4, 8, 8, 16)), jnp.float32)
    whole = YatConv(16, 8, 3, rngs=nnx.Rngs(0))
    half = YatConv(16, 8, 3, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    near, exact = jit(lambda x: (half(x), whole(x)))(x)
    assert near.dtype == jnp.float32
    assert half.kernel[...].dtype == jnp.float32, "master weights stay whole"
    np.testing.assert_allclose(near, exact, atol=0.03 * np.max(exact))


def test_parameters_have_the_names_and_shapes_that_outsiders_rely_on():
    state = nnx.state(YatConv(3, 5, (3, 2), rngs=nnx.Rngs(0)), nnx.Param)
    assert {name: leaf[...].shape for name, leaf in state.items()} == {"alpha": (), "kernel": (3, 2, 3, 5)}
