"""Normalisation with ReLU, forward and backward, against flax's layers: pytest tests/benchmarks/test_norm.py -s.

Several rounds in one program, as in a training, where the memory of one serves the next: alone, a round of the larger
maps spends most of its time on asking the system for memory.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from simo2_core.model.norm import normalise
from tests.benchmarks.interleaved import best_of_each

SHAPES = [(160, 32, 64), (160, 16, 128), (160, 8, 256), (160, 4, 512), (320, 32, 16), (320, 4, 128)]
"""Batch, side of the map and channels of ResNet-18 as published and at a quarter of its widths."""


ROUNDS = 8


def both_ways(layer):
    def again(carry, _):
        x, scale, bias, given = carry
        y, transpose = jax.vjp(lambda *three: jax.nn.relu(layer(*three)), x, scale, bias)
        of_x, of_scale, of_bias = transpose(given)
        return (y, scale + 1e-6 * of_scale, bias + 1e-6 * of_bias, of_x), None

    return lambda *operands: jax.lax.scan(again, operands, length=ROUNDS)[0]


@pytest.mark.parametrize("kind", ["batch", "group"])
@pytest.mark.parametrize("shape", SHAPES)
def test_less_time_than_flax(kind, shape):
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
        best = best_of_each(rivals, x, scale, bias, given)
    ours_ms = best["ours"] / ROUNDS
    print(f"\n{kind} {shape}: {ours_ms:.1f} ms, flax {best['flax'] / best['ours']:.1f} times that")
    assert best["ours"] < best["flax"] / 1.25
