"""Normalisation with ReLU, forward and backward, against flax's layers: pytest tests/benchmarks/test_norm.py -s.

Seconds of the processors, which other processes disturb least.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from simo2_core.model.norm import normalise
from tests.benchmarks.interleaved import best_of_each

SHAPES = [(160, 32, 64), (160, 16, 128), (160, 8, 256), (160, 4, 512), (320, 32, 16), (320, 4, 128)]
"""Batch, side of the map and channels of ResNet-18 as published and at a quarter of its widths."""


def both_ways(layer):
    def run(x, scale, bias, given):
        y, transpose = jax.vjp(lambda *three: jax.nn.relu(layer(*three)), x, scale, bias)
        return y, *transpose(given)

    return run


@pytest.mark.parametrize("kind", ["batch", "group"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_third_of_the_time_of_flax(kind, shape):
    batch, side, c = shape
    draw = np.random.default_rng(0)
    x, given = (jnp.asarray(draw.normal(size=(batch, side, side, c)), jnp.float32) for _ in range(2))
    scale, bias, groups = jnp.ones(c), jnp.zeros(c), None if kind == "batch" else c // 16

    def of_flax(x, scale, bias):
        if kind == "batch":
            layer = nnx.BatchNorm(c, rngs=nnx.Rngs(0))
        else:
            layer = nnx.GroupNorm(c, num_groups=groups, rngs=nnx.Rngs(0))
        layer.scale, layer.bias = nnx.Param(scale), nnx.Param(bias)
        return layer(x)

    def ours(x, scale, bias):
        return normalise(x, scale, bias, groups, "relu", 1e-5)[0]

    rivals = {"ours": both_ways(ours), "flax": both_ways(of_flax)}
    with jax.numpy_rank_promotion("allow"):
        best = best_of_each(rivals, x, scale, bias, given, clock=time.process_time)
    print(f"\n{kind} {shape}: {best['ours']:.1f} ms, flax {best['flax'] / best['ours']:.1f} times that")
    assert best["ours"] < best["flax"] / 1.5
