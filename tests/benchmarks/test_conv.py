"""Convolutions on a CPU, both ways, against XLA's own; run by name: pytest tests/benchmarks/test_conv.py -s.

The rule in `simo2_core.model.conv` comes from these figures.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from simo2_core.model.conv import convolve
from simo2_core.model.network import Network
from simo2_core.model.yat import YatConv
from simo2_core.presets import PRESETS
from tests.benchmarks.interleaved import best_of_each
from tests.benchmarks.original import PeerYatConv

DIGITS = [(8, 1, 16), (8, 16, 16), (4, 16, 32), (4, 32, 32), (2, 32, 64), (2, 64, 64), (1, 64, 128), (1, 128, 128)]
"""Side of the map, channels in and out, of every 3×3 kernel of the digits preset; batch 160."""

CIFAR = [(16, 64, 64), (8, 128, 128), (4, 256, 256), (2, 512, 512), (1, 64, 64)]
"""Some of the CIFAR presets; batch 64, to stay short."""

APPLY = YatConv.__call__

SHAPES = [(160, *shape) for shape in DIGITS] + [(64, *shape) for shape in CIFAR]


def xla(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def ours(x, kernel):
    return convolve(x, kernel, (1, 1), "SAME")


def gradients(convolution):
    def both(x, kernel):
        y, transpose = jax.vjp(convolution, x, kernel)
        return transpose(y)

    return both


def in_a_loop(convolution, turns=4):
    """As training runs it; the sums keep XLA from dropping a turn."""

    def loop(x, kernel):
        def body(_, both):
            x_gradient, kernel_gradient = gradients(convolution)(*both)
            return both[0] + 1e-9 * x_gradient, both[1] + 1e-9 * kernel_gradient

        return jax.lax.fori_loop(0, jnp.int32(turns), body, (x, kernel))

    return loop


def operands(batch, side, narrow, wide, kernel_size):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(batch, side, side, narrow)).astype(np.float32)
    kernel = draw.normal(size=(kernel_size, kernel_size, narrow, wide)).astype(np.float32)
    return jnp.asarray(x), jnp.asarray(kernel / np.sqrt(narrow * kernel_size**2))


@pytest.mark.parametrize("kernel_size", [3, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_never_slower_than_xla(shape, kernel_size):
    rivals = {"ours": gradients(ours), "xla": gradients(xla)}
    rivals |= {"ours, loop of 4": in_a_loop(ours), "xla, loop of 4": in_a_loop(xla)}
    best = best_of_each(rivals, *operands(*shape, kernel_size))
    print(f"\n{shape} {kernel_size}×{kernel_size}:", ", ".join(f"{name} {ms:.2f} ms" for name, ms in best.items()))
    assert best["ours"] < 1.5 * best["xla"]
    assert best["ours, loop of 4"] < 1.1 * best["xla, loop of 4"]


def shapes_of_presets():
    """(batch, side of the map, channels in and out) of every YatConv of every preset, each once.

    The batch is that of the first preset that has the shape, or what makes two billion operations: inside a loop its
    peer does no more than three billion a second.
    """
    shapes = {}
    for preset in PRESETS.values():
        seen = []

        def look(layer, x, seen=seen):
            seen.append((x.shape[1], *layer.kernel.shape[2:]))
            return APPLY(layer, x)

        network, params, stats = Network.build_abstract(preset.config.model, preset.image_shape[2])
        images = jax.ShapeDtypeStruct((1, *preset.image_shape), jnp.float32)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(YatConv, "__call__", look)
            jax.eval_shape(network.infer, params, stats, images)
        for shape in seen:
            operations = 3 * 2 * 9 * math.prod(shape) * shape[0]
            shapes.setdefault(shape, max(1, min(preset.config.batch_size, 2_000_000_000 // operations)))
    return [(batch, *shape) for shape, batch in sorted(shapes.items())]


@pytest.mark.parametrize("shape", shapes_of_presets())
def test_yat_against_its_peer(shape):
    """Forward and backward: called once, and two turns in a loop on the device, as training runs it."""
    batch, side, narrow, wide = shape
    mine = YatConv(narrow, wide, 3, rngs=nnx.Rngs(0))
    peer = PeerYatConv(narrow, wide, (3, 3), use_bias=False, epsilon=1e-5, rngs=nnx.Rngs(0))

    def rival(layer):
        graph, params = nnx.split(layer, nnx.Param)

        def gradients(params, x):
            y, transpose = jax.vjp(lambda params, x: nnx.merge(graph, params)(x), params, x)
            return transpose(y)

        def turn(_, operands):
            return jax.tree.map(lambda of, gradient: of - 1e-9 * gradient, operands, gradients(*operands))

        return (
            lambda x, turns: gradients(params, x),
            lambda x, turns: jax.lax.fori_loop(0, turns, turn, (params, x)),
        )

    x, _ = operands(batch, side, narrow, wide, 3)
    rivals = {"ours": rival(mine)[0], "nmn": rival(peer)[0], "ours, loop": rival(mine)[1], "nmn, loop": rival(peer)[1]}
    with jax.numpy_rank_promotion("allow"):
        best = best_of_each(rivals, x, jnp.int32(2))
    once, loop = best["nmn"] / best["ours"], best["nmn, loop"] / best["ours, loop"]
    print(f"\nYatConv {shape}: {best['ours']:.2f} ms, nmn {once:.1f} times that, {loop:.1f} times in a loop")
    assert loop > (2 if side <= 2 else 1)
