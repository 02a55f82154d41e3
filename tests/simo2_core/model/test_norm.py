"""Normalisation against flax's layers in float32, and against float64."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from simo2_core.compiling import jit
from simo2_core.model import norm
from simo2_core.model.norm import ACTIVATIONS, normalise, normalised_by

pytestmark = pytest.mark.optimised

SHAPES = [(7, 5, 3, 8), (1, 4, 2, 8), (3, 2, 16, 8)]
"""The last one is summed with eight pixels side by side."""
EPSILON = 1e-5
ROUNDED = 2**-7
"""bfloat16's last place, as a share of the largest: of a result, and of the activation's slope that goes into it."""


def operands(shape, seed=0):
    draw = np.random.default_rng(seed)
    c = shape[-1]
    x, given = draw.normal(1.5, 2, shape), draw.normal(size=shape)
    return [np.float32(a) for a in (x, draw.normal(1, 0.2, c), draw.normal(0, 0.2, c), given)]


def by_definition(x, scale, bias, groups, activation):
    n, h, w, c = x.shape
    parts = x.reshape(n, h, w, c, 1) if groups is None else x.reshape(n, h, w, groups, -1)
    axes = (0, 1, 2) if groups is None else (1, 2, 4)
    mean, variance = parts.mean(axes, keepdims=True), parts.var(axes, keepdims=True)
    y = ((parts - mean) / jnp.sqrt(variance + EPSILON)).reshape(x.shape)
    y = y * scale[None, None, None] + bias[None, None, None]
    return y if activation is None else ACTIVATIONS[activation](y)


def with_gradients(layer, x, scale, bias, given):
    y, transpose = jax.vjp(layer, x, scale, bias)
    return y, *transpose(given)


@pytest.mark.parametrize(
    ("groups", "activation"), [(None, None), (None, "relu"), (1, "relu"), (4, None), (None, "gelu"), (2, "silu")]
)
def test_values_and_gradients_are_right_to_float64(groups, activation, monkeypatch: pytest.MonkeyPatch):
    """On one processor and, in the same program, as on several devices."""
    every = [operands(shape) for shape in SHAPES] * 2

    def ours(*three):
        return normalise(*three, groups, activation, EPSILON)[0]

    def both_ways(every):
        for turn, each in enumerate(every):
            monkeypatch.setattr(norm, "suits_one_cpu", lambda turn=turn: turn < len(SHAPES))
            yield with_gradients(ours, *each)

    def definition(*three):
        return by_definition(*three, groups, activation)

    found = jit(lambda every: list(both_ways(every)))(every)
    with jax.enable_x64(True):
        wide = [[np.float64(a) for a in arrays] for arrays in every[: len(SHAPES)]]
        expected = jit(lambda wide: [with_gradients(definition, *each) for each in wide])(wide)
    for each, right in zip(found, expected * 2, strict=True):
        for one, other in zip(each, right, strict=True):
            assert other.dtype == np.float64
            np.testing.assert_allclose(one, other, atol=1e-5 * max(1, np.abs(other).max()))


@pytest.mark.parametrize(("groups", "activation"), [(None, "relu"), (None, "gelu"), (4, None), (1, "silu")])
def test_of_bfloat16_only_what_goes_in_and_out_is_rounded(groups, activation):
    """The bits that go in are those of float64: a mean over many images must not lose digits to its terms."""
    x, scale, bias, given = operands((64, 5, 4, 8))
    x, given = (jnp.asarray(a, jnp.bfloat16) for a in (x, given))
    found = jit(lambda *a: with_gradients(lambda *b: normalise(*b, groups, activation, EPSILON)[0], *a))(
        x, scale, bias, given
    )
    assert [a.dtype for a in found] == ["bfloat16", "bfloat16", "float32", "float32"]
    with jax.enable_x64(True):
        wide = [np.asarray(a, np.float64) for a in (x, scale, bias, given)]
        expected = jit(lambda *a: with_gradients(lambda *b: by_definition(*b, groups, activation), *a))(*wide)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(one, np.float64), other, atol=ROUNDED * np.abs(other).max())


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("kind", [nnx.BatchNorm, partial(nnx.GroupNorm, num_groups=2)], ids=["batch", "group"])
def test_a_layer_does_what_that_of_flax_does(kind, scaled):
    x, *_ = operands((6, 4, 4, 32))
    layers = [kind(32, use_scale=scaled, use_bias=scaled, rngs=nnx.Rngs(0)) for _ in range(2)]
    graphs, states = zip(*map(nnx.split, layers), strict=True)
    batch = isinstance(layers[0], nnx.BatchNorm)

    @jit
    def passes(states, x):
        """(training, training again, inference, inference rectified), and the states after them; each of both."""
        ours, theirs = map(nnx.merge, graphs, states)
        of_flax = partial(theirs, use_running_average=False) if batch else theirs
        trained = [(normalised_by(ours, x, train=True), of_flax(x)) for _ in range(2)]
        y = theirs(x, use_running_average=True) if batch else theirs(x)
        for activation, right in ((None, y), ("relu", jax.nn.relu(y)), ("gelu", jax.nn.gelu(y))):
            trained.append((normalised_by(ours, x, train=False, activation=activation), right))
        return trained, [nnx.state(layer) for layer in (ours, theirs)]

    values, after = passes(states, x)
    for one, other in values:
        np.testing.assert_allclose(one, other, atol=1e-5)
    for one, other in zip(*map(jax.tree.leaves, after), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    moved = [not np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (states[0], after[0])), strict=True)]
    assert any(moved) == batch, "the running statistics"


def test_an_image_is_normalised_in_groups_by_itself():
    x, scale, bias, _ = operands((5, 4, 4, 8))
    alone = jit(lambda x: normalise(x, scale, bias, 2, "relu", EPSILON)[0])
    np.testing.assert_array_equal(alone(x)[2:3], alone(x[2:3]))


def test_no_sum_goes_through_a_window():
    """That is where XLA's own go on a CPU, in eleven times the time."""
    x, scale, bias, given = operands((64, 16, 16, 8))

    def ours(*three):
        return normalise(*three, None, "relu", EPSILON)[0]

    program = jit(lambda *a: with_gradients(ours, *a)).lower(x, scale, bias, given).compile().as_text()
    windows = [line for line in program.splitlines() if " reduce-window(" in line]
    assert not any("[64,16,16,8]" in line for line in windows)
