"""Convolutions on a CPU, both ways, against XLA's own; run by name: pytest tests/benchmarks/test_conv.py -s.

The rule in `simo2_core.model.conv` comes from these figures.
"""

import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from simo2_core.model.conv import convolve
from simo2_core.model.yat import YatConv

sys.path.insert(0, str(Path(__file__).parent))
from interleaved import best_of_each

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from nmn.nnx.layers.conv import YatConv as PeerYatConv

DIGITS = [(8, 1, 16), (8, 16, 16), (4, 16, 32), (4, 32, 32), (2, 32, 64), (2, 64, 64), (1, 64, 128), (1, 128, 128)]
"""Side of the map, channels in and out, of every 3×3 kernel of the digits preset; batch 160."""

CIFAR = [(16, 64, 64), (8, 128, 128), (4, 256, 256), (2, 512, 512), (1, 64, 64)]
"""Some of the CIFAR presets; batch 64, to stay short."""

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


@pytest.mark.parametrize("shape", SHAPES)
def test_yat_against_its_peer(shape):
    batch, side, narrow, wide = shape
    mine = YatConv(narrow, wide, 3, rngs=nnx.Rngs(0))
    peer = PeerYatConv(narrow, wide, (3, 3), use_bias=False, epsilon=1e-5, rngs=nnx.Rngs(0))

    def of(layer):
        graph, params = nnx.split(layer, nnx.Param)

        def both(x):
            y, transpose = jax.vjp(lambda params, x: nnx.merge(graph, params)(x), params, x)
            return transpose(y)

        return both

    x, _ = operands(batch, side, narrow, wide, 3)
    with jax.numpy_rank_promotion("allow"):
        best = best_of_each({"ours": of(mine), "nmn": of(peer)}, x)
    print(f"\nYatConv {shape}: ours {best['ours']:.2f} ms, nmn {best['nmn']:.2f} ms")
    assert best["ours"] < 1.1 * best["nmn"]
    if side <= 2:
        assert 2 * best["ours"] < best["nmn"]
