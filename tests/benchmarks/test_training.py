"""How many times as fast as the way others do it; run by name: pytest tests/benchmarks/test_training.py -s."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from simo2_core.bench.stages import time_in_turn, whole_step
from simo2_core.data.load import load_dataset
from simo2_core.loss import simo2_loss
from simo2_core.model.yat import YatConv
from simo2_core.presets import PRESETS
from simo2_core.train.feed import place
from simo2_core.train.memory import program_bytes
from simo2_core.train.step import MAX_STEPS, make_call, make_training
from tests.benchmarks.original import PeerYatConv, loss_by_gathered_pairs, make_peer_steps

DIGITS = PRESETS["digits"].config


@pytest.fixture(autouse=True)
def as_peers_are_written():
    """They add (n, h, w, c) and (c,), which the suite forbids ours."""
    with jax.numpy_rank_promotion("allow"):
        yield


def compile_loss(loss, shape):
    z = jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32) / shape[-1] ** 0.5
    compiled = jax.jit(jax.value_and_grad(loss)).lower(z).compile()

    def steps(n):
        for _ in range(n):
            out = compiled(z)
        return jax.block_until_ready(out)

    return compiled, steps


def test_loss_against_gathered_pairs():
    _, ours = compile_loss(lambda z: simo2_loss(z).total, (100, 16, 64))
    _, peer = compile_loss(loss_by_gathered_pairs, (100, 16, 64))
    seconds = time_in_turn({"ours": ours, "peer": peer}, 10, 100)
    ratio = seconds["peer"] / seconds["ours"]
    print(f"\nloss at (100, 16, 64): {1e3 * seconds['ours']:.2f} ms, gathered {ratio:.0f} times that")
    assert ratio > 30


def test_memory_of_the_loss_against_gathered_pairs_as_xla_plans_it():
    needs = [
        program_bytes(compile_loss(loss, (1000, 32, 64))[0])
        for loss in (lambda z: simo2_loss(z).total, loss_by_gathered_pairs)
    ]
    print(f"\nloss at (1000, 32, 64): {needs[0] / 1e6:.0f} MB, gathered {needs[1] / needs[0]:.0f} times that")
    assert needs[1] > 25 * needs[0]


def repeat_layer(layer, size, channels):
    """Gradients of a layer many times in a loop on the device, as training runs it.

    XLA turns convolutions round on a CPU, but not in a loop: called once a step, nmn's are faster than here.
    """
    graph, params = nnx.split(layer, nnx.Param)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(160, size, size, channels)), jnp.float32)

    def call(params, x, n):
        def body(_, carry):
            params, x = carry

            def total(params, x):
                return nnx.merge(graph, params)(x).sum()

            gradients = jax.grad(total, argnums=(0, 1))(params, x)
            return jax.tree.map(lambda value, gradient: value - 1e-9 * gradient, (params, x), gradients)

        return jax.lax.fori_loop(0, n, body, (params, x))

    compiled = jax.jit(call).lower(params, x, jnp.int32(1)).compile()
    return lambda n: jax.block_until_ready(compiled(params, x, jnp.int32(n)))


@pytest.mark.parametrize(("size", "narrow", "wide"), [(8, 1, 16), (8, 16, 16), (4, 16, 32), (2, 32, 64), (1, 64, 128)])
def test_yatconv_against_nmn(size, narrow, wide):
    ours = repeat_layer(YatConv(narrow, wide, 3, rngs=nnx.Rngs(0)), size, narrow)
    peer = repeat_layer(PeerYatConv(narrow, wide, (3, 3), use_bias=False, epsilon=1e-5, rngs=nnx.Rngs(0)), size, narrow)
    seconds = time_in_turn({"ours": ours, "peer": peer}, 4, 500)
    ratio = seconds["peer"] / seconds["ours"]
    print(f"\nYatConv {size}x{size}, {narrow} to {wide}: {1e3 * seconds['ours']:.3f} ms, nmn {ratio:.1f} times that")
    assert ratio > (2 if size <= 2 else 1)


def test_a_step_of_digits_against_the_original_way():
    dataset = load_dataset(DIGITS.data)
    step, state = make_training(DIGITS, 10, dataset.image_shape)
    data = place(dataset)
    compiled = make_call(step).lower(state, data, jnp.int32(0)).compile()
    runs = {"ours": whole_step(compiled, state, data), "original": make_peer_steps(DIGITS, dataset)}
    seconds = time_in_turn(runs, 12, MAX_STEPS)
    ratio = seconds["original"] / seconds["ours"]
    print(f"\nstep of digits: {1e3 * seconds['ours']:.2f} ms, the original's way {ratio:.1f} times that")
    # 5 is aimed at and not reached: both do the same convolutions, which with their gradients and the draws of dropout
    # are nine tenths of our step, and one step at a time is outside the loop in which nmn's gradients are slow.
    assert ratio > 2
