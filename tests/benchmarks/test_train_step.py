"""The digits step, as training runs it and alone; run by name: pytest tests/benchmarks/test_train_step.py -s."""

import time

import jax
import jax.numpy as jnp

from simo2_core.compiling import jit
from simo2_core.data.load import load_dataset
from simo2_core.presets import PRESETS
from simo2_core.train.step import Data, compile_call, make_training

CONFIG = PRESETS["digits"].config


def best_milliseconds(take_steps, steps, times=5):
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        take_steps()
        spent.append(time.perf_counter() - start)
    return 1e3 * min(spent) / steps


def test_steps_in_a_loop_are_as_fast_as_steps_alone():
    dataset = load_dataset(CONFIG.data)
    part = dataset.train
    data = Data(
        *map(
            jnp.asarray,
            (part.images, part.offsets.astype("int32"), part.counts.astype("int32"), dataset.mean, dataset.std),
        )
    )
    step, state = make_training(CONFIG, len(dataset.class_names), dataset.image_shape)
    course = jax.tree.map(jnp.asarray, step.course)
    alone = jit(step).lower(state, data, course).compile()
    call = compile_call(step, state, data)

    def step_alone():
        latest = state
        for _ in range(20):
            latest, *_ = alone(latest, data, course)
        jax.block_until_ready(latest)

    def step_in_a_loop():
        jax.block_until_ready(call(jax.tree.map(jnp.copy, state), data, 20))

    one, looped = best_milliseconds(step_alone, 20), best_milliseconds(step_in_a_loop, 20)
    print(f"\ndigits, batch {CONFIG.batch_size}: {looped:.2f} ms a step in a loop, {one:.2f} ms alone")
    assert looped < 1.2 * one
    assert looped * CONFIG.steps < 30_000
