"""Normalisation against flax's layers in float32, and against float64."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from simo2_core.compiling import jit
from simo2_core.model import norm
from simo2_core.model.norm import normalise, normalised_by

pytestmark = pytest.mark.optimised

SHAPES = [(7, 5, 3, 8), (1, 4, 2, 8)]
EPSILON = 1e-5


def operands(shape, seed=0):
    draw = np.random.default_rng(seed)
    c = shape[-1]
    x, given = draw.normal(1.5, 2, shape), draw.normal(size=shape)
    return [np.float32(a) for a in (x, draw.normal(1, 0.2, c), draw.normal(0, 0.2, c), given)]


def by_definition(x, scale, bias, groups, rectify):
    n, h, w, c = x.shape
    parts = x.reshape(n, h, w, c, 1) if groups is None else x.reshape(n, h, w, groups, -1)
    axes = (0, 1, 2) if groups is None else (1, 2, 4)
    mean, variance = parts.mean(axes, keepdims=True), parts.var(axes, keepdims=True)
    y = ((parts - mean) / jnp.sqrt(variance + EPSILON)).reshape(x.shape)
    y = y * scale[None, None, None] + bias[None, None, None]
    return jnp.maximum(y, 0) if rectify else y


def with_gradients(layer, x, scale, bias, given):
    y, transpose = jax.vjp(layer, x, scale, bias)
    return y, *transpose(given)


@pytest.mark.parametrize(("groups", "rectify"), [(None, False), (None, True), (1, True), (4, False)])
def test_values_and_gradients_are_right_to_float64(groups, rectify, monkeypatch: pytest.MonkeyPatch):
    """On one processor and, in the same program, as on several devices."""
    every = [operands(shape) for shape in SHAPES] * 2

    def ours(*three):
        return normalise(*three, groups, rectify, EPSILON)[0]

    def both_ways(every):
        for turn, each in enumerate(every):
            monkeypatch.setattr(norm, "has_one_cpu", lambda turn=turn: turn < len(SHAPES))
            yield with_gradients(ours, *each)

    found = jit(lambda every: list(both_ways(every)))(every)
    with jax.enable_x64(True):
        for arrays, each in zip(every, found, strict=True):
            wide = [jnp.asarray(a, jnp.float64) for a in arrays]
            right = with_gradients(lambda x, scale, bias: by_definition(x, scale, bias, groups, rectify), *wide)
            for one, other in zip(each, right, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-5 * max(1, float(jnp.abs(other).max())))


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("kind", [nnx.BatchNorm, partial(nnx.GroupNorm, num_groups=2)], ids=["batch", "group"])
def test_a_layer_does_what_that_of_flax_does(kind, scaled):
    x, *_ = operands((6, 4, 4, 32))
    ours, theirs = (kind(32, use_scale=scaled, use_bias=scaled, rngs=nnx.Rngs(0)) for _ in range(2))
    batch = isinstance(ours, nnx.BatchNorm)
    for _ in range(2):
        right = theirs(x, use_running_average=False) if batch else theirs(x)
        np.testing.assert_allclose(normalised_by(ours, x, train=True), right, atol=1e-5)
    for one, other in zip(jax.tree.leaves(nnx.state(ours)), jax.tree.leaves(nnx.state(theirs)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    y = theirs(x, use_running_average=True) if batch else theirs(x)
    for rectify, right in ((False, y), (True, jax.nn.relu(y))):
        np.testing.assert_allclose(normalised_by(ours, x, train=False, rectify=rectify), right, atol=1e-5)


def test_an_image_is_normalised_in_groups_by_itself():
    x, scale, bias, _ = operands((5, 4, 4, 8))
    alone = jit(lambda x: normalise(x, scale, bias, 2, True, EPSILON)[0])
    np.testing.assert_array_equal(alone(x)[2:3], alone(x[2:3]))


def test_no_sum_goes_through_a_window():
    """That is where XLA's own go on a CPU, in eleven times the time."""
    x, scale, bias, given = operands((64, 16, 16, 8))

    def ours(*three):
        return normalise(*three, None, True, EPSILON)[0]

    program = jit(lambda *a: with_gradients(ours, *a)).lower(x, scale, bias, given).compile().as_text()
    windows = [line for line in program.splitlines() if " reduce-window(" in line]
    assert not any("[64,16,16,8]" in line for line in windows)
