"""Where the time of a step goes.

A compiled step is one program whose parts cannot be timed inside. So up to the forward pass each stage is the step cut
off after it, run many times in a loop on the device as training does, and what a part costs is the difference to the
stage before. Loss, value and gradient, and optimiser are timed alone; the backward pass is what remains of the step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from simo2_core.compiling import jit
from simo2_core.model.network import Arrays
from simo2_core.objectives.objective import Loss, Seen
from simo2_core.train.step import Call, Data, Step, TrainState

PARTS = ("sampling", "augmentation", "forward", "backward", "loss", "optimiser")
"""What a step is split into, in the order of the table."""

ROUNDS = 5
"""Times each stage is timed, one after another in turn: the fastest counts, since others can only slow it down."""

Run = Callable[[int], object]
"""Does so many steps and waits for them."""


def make_stages(step: Step, state: TrainState, data: Data) -> dict[str, Run]:
    """The step cut off after `sampling`, `augmentation` and `forward`, and `loss` and `optimiser` alone, compiled."""

    def sampling(state: TrainState, data: Data) -> Array:
        total: Array = step.draw(state, data).rows.sum()
        return total

    def images(state: TrainState, data: Data) -> Array:
        return step.prepare(state, data, step.draw(state, data))

    def augmentation(state: TrainState, data: Data) -> Array:
        return images(state, data).sum()

    def forward(state: TrainState, data: Data) -> Array:
        seen, _ = step.see(state.params, state, images(state, data), step.draw(state, data).classes, 1.0)
        return seen.embedding.sum() + seen.representation.sum()

    stages = {"sampling": sampling, "augmentation": augmentation, "forward": forward}
    return {name: _repeat(stage, state, data) for name, stage in stages.items()} | {
        "loss": _repeat_loss(step, state, data),
        "optimiser": _repeat_optimiser(step, state, data),
    }


def _repeat(stage: Callable[[TrainState, Data], Array], state: TrainState, data: Data) -> Run:
    def call(state: TrainState, data: Data, n: Array) -> Any:
        def body(i: Array, total: Array) -> Array:
            # nothing that depends on the weights alone may be moved out of the loop: in training they change
            params, total = jax.lax.optimization_barrier((state.params, total))  # type: ignore[no-untyped-call]
            return total + stage(state._replace(params=params, step=state.step + i), data).astype(jnp.float32)

        return jax.lax.fori_loop(0, n, body, jnp.float32(0))

    compiled = jit(call).lower(state, data, jnp.int32(0)).compile()
    return lambda n: compiled(state, data, jnp.int32(n)).block_until_ready()


def _repeat_loss(step: Step, state: TrainState, data: Data) -> Run:
    def see(state: TrainState, data: Data) -> Seen:
        drawn = step.draw(state, data)
        return step.see(state.params, state, step.prepare(state, data, drawn), drawn.classes, 1.0)[0]

    shapes = jax.eval_shape(see, state, data)
    seen = jax.tree.map(lambda of: jnp.zeros(of.shape, of.dtype), shapes)
    size = seen.embedding.shape[-1]
    seen = seen._replace(embedding=jax.random.normal(jax.random.key(0), seen.embedding.shape) / size**0.5)

    def call(params: Arrays, seen: Seen, n: Array) -> Any:
        def body(_: Array, z: tuple[Array, Array]) -> tuple[Array, Array]:
            def loss_of(z: tuple[Array, Array]) -> Array:
                return step.loss(params, seen._replace(embedding=z[0], representation=z[1])).total

            total, gradients = jax.value_and_grad(loss_of)(z)
            z_ckd, h_nf = (value - 1e-6 * gradient for value, gradient in zip(z, gradients, strict=True))
            return z_ckd + 1e-12 * total, h_nf

        return jax.lax.fori_loop(0, n, body, (seen.embedding, seen.representation))

    compiled = jit(call).lower(state.params, seen, jnp.int32(0)).compile()
    return lambda n: compiled(state.params, seen, jnp.int32(n))[0].block_until_ready()


def _repeat_optimiser(step: Step, state: TrainState, data: Data) -> Run:
    def gradient_of(state: TrainState, data: Data) -> tuple[Arrays, Loss, Arrays]:
        drawn = step.draw(state, data)
        return step.gradient(state, step.prepare(state, data, drawn), drawn.classes, 1.0)

    shapes = jax.eval_shape(gradient_of, state, data)
    gradient, loss, stats = jax.tree.map(lambda of: jnp.full(of.shape, 1e-3, of.dtype), shapes)

    def call(state: TrainState, gradient: Arrays, loss: Loss, stats: Arrays, rate: Array, n: Array) -> TrainState:
        def body(_: Array, to: TrainState) -> TrainState:
            return step.update(to, gradient, loss, stats, rate)[0]

        after: TrainState = jax.lax.fori_loop(0, n, body, state)
        return after

    given = (state, gradient, loss, stats, jnp.asarray(step.rates[0]))
    compiled = jit(call).lower(*given, jnp.int32(0)).compile()
    return lambda n: compiled(*given, jnp.int32(n)).step.block_until_ready()


def time_in_turn(runs: Mapping[str, Run], seconds: float, most: int) -> dict[str, float]:
    """Seconds a step of each of `runs`, the fastest of `ROUNDS` rounds in which they take turns.

    Args:
        seconds: about how long all of it may take; a step that is longer than its share is timed once a round.
        most: most steps that one run can be asked for.
    """
    share = seconds / len(runs) / ROUNDS
    steps = {name: _steps_in(share, run, most) for name, run in runs.items()}
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(ROUNDS):
        for name, run in runs.items():
            best[name] = min(best[name], _seconds(run, steps[name]) / steps[name])
    return best


def _steps_in(seconds: float, run: Run, most: int) -> int:
    run(1)
    n, spent = 1, _seconds(run, 1)
    while spent < seconds / 2 and n < most:
        n = min(most, max(2 * n, int(n * seconds / max(spent, 1e-9) / 2)))
        spent = _seconds(run, n)
    return n


def _seconds(run: Run, n: int) -> float:
    start = time.perf_counter()
    run(n)
    return time.perf_counter() - start


def split(seconds: Mapping[str, float]) -> dict[str, float]:
    """What each of `PARTS` costs, in seconds, from those of the stages and of the whole `step`.

    The parts add up to the step.
    """
    return {
        "sampling": seconds["sampling"],
        "augmentation": seconds["augmentation"] - seconds["sampling"],
        "forward": seconds["forward"] - seconds["augmentation"],
        "backward": seconds["step"] - seconds["forward"] - seconds["loss"] - seconds["optimiser"],
        "loss": seconds["loss"],
        "optimiser": seconds["optimiser"],
    }


def whole_step(call: Call, state: TrainState, data: Data) -> Run:
    """The training call, going on from its own state: it donates the one it is given, so it gets a copy."""
    states = [jax.tree.map(jnp.copy, state)]

    def run(n: int) -> object:
        states[0], rows, _ = call(states[0], data, n)
        return rows.total.block_until_ready()

    return run
