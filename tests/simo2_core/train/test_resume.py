"""Stopping and going on changes no bit: whatever the optimiser, the schedule, the objective and the moment."""

import dataclasses
import random
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import Array

from simo2_core.checkpoints.checkpoint import Checkpoints, load, name_leaves
from simo2_core.compiling import jit
from simo2_core.data.load import load_dataset
from simo2_core.model import conv_forms
from simo2_core.optimizer_config import OPTIMIZERS, SCHEDULES, OptimizerConfig
from simo2_core.presets import PRESETS
from simo2_core.train.devices import put_whole
from simo2_core.train.feed import place
from simo2_core.train.optimizer import learning_rate_schedule, make_optimizer
from simo2_core.train.step import TrainState, compile_call, make_training

STEPS = 24
TINY = PRESETS["digits"].config.replace(
    {"widths": "4", "stem_width": 2, "samples_per_class": 2, "batch_size": 8, "steps": STEPS, "dropout": 0.3,
     "shift": 1, "contrast": 0.3}
)  # fmt: skip
RECIPE = {
    "groups": "4,4",
    "average": 0.9,
    "sampling": "proportional",
    "scale_filters": True,
    "label_smoothing": 0.1,
    "mixing": "cutmix",
}
"""What else a recipe for photographs has."""


@pytest.mark.parametrize(
    ("optimizer", "schedule", "encoder", "objective"),
    [
        ("novograd", "exponential", "yatcnn", "simo2"),
        ("muon", "linear", "airbench", "cross_entropy"),
        ("adamw", "step", "cnn", "autoencoder"),
    ],
)
def test_ten_stops_at_random_steps_change_no_bit(
    tmp_path: Path, optimizer: str, schedule: str, encoder: str, objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the plain encoders, convolutions go a few images at a time: in float32, and as products of bfloat16.

    Each optimiser with each schedule is gone through below, with less around it.
    """
    if encoder != "yatcnn":
        monkeypatch.setattr(conv_forms, "_LARGE", 0)
        monkeypatch.setattr(conv_forms, "_IMAGES", 3)
        monkeypatch.setattr(conv_forms, "_NARROWEST", 1)
        monkeypatch.setattr(conv_forms, "multiplies_bfloat16", lambda: True)
    config = TINY.replace(
        {"optimizer": optimizer, "schedule": schedule, "encoder": encoder, "objective": objective,
         "decay_steps": 5, "warmup_steps": 3, **(RECIPE if encoder == "airbench" else {})}
    )  # fmt: skip
    dataset = load_dataset(config.data)
    data = place(dataset)
    step, start = make_training(config, 10, dataset.image_shape)
    call = compile_call(step, start, data)
    copy = jax.tree.map(jnp.copy, start)
    whole, rows, _ = call(copy, data, STEPS)

    stops = sorted(random.Random(optimizer + schedule).sample(range(1, STEPS), 10))
    checkpoints = Checkpoints(tmp_path, keep=99)
    on_disk = optimizer == "novograd"  # once: a save takes longer than all the steps
    state, totals = start, []
    for begin, end in zip([0, *stops], [*stops, STEPS], strict=True):
        state, some, _ = call(state, data, end - begin)
        totals.append(np.asarray(some.total)[: end - begin])
        arrays = {name: np.array(leaf) for name, leaf in name_leaves(state).items()}
        if on_disk:
            checkpoints.save(end, name_leaves(state), {})
            checkpoints.wait()
            arrays, _ = load(tmp_path / str(end))
        leaves = [arrays[name] for name in name_leaves(state)]
        state = put_whole(TrainState(*jax.tree.unflatten(jax.tree.structure(state), leaves)), step.mesh)
    checkpoints.close()

    np.testing.assert_array_equal(np.concatenate(totals), np.asarray(rows.total)[:STEPS])
    for name, expected in name_leaves(whole).items():
        np.testing.assert_array_equal(name_leaves(state)[name], expected, err_msg=name)
    assert int(state.step) == STEPS
    again = make_training(config, 10, dataset.image_shape)[1].params
    assert any(not np.array_equal(whole.params[name], again[name]) for name in again), "and something was learned"


def _optimizer(config: OptimizerConfig) -> optax.GradientTransformation:
    return make_optimizer(config, learning_rate_schedule(config, STEPS))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_optimiser_goes_on_with_every_schedule(optimizer: str) -> None:
    config = TINY.replace({"optimizer": optimizer, "decay_steps": 5, "warmup_steps": 3, "learning_rate": 0.1}).optim
    optimizers = {name: _optimizer(dataclasses.replace(config, schedule=name)) for name in SCHEDULES}

    @jit
    def step(states: dict[str, Any], i: Array) -> dict[str, Any]:
        after = {}
        for name, (params, state) in states.items():
            updates, state = optimizers[name].update(jnp.sin(3 * params + i), state, params)
            after[name] = optax.apply_updates(params, updates), state
        return after

    weights = jnp.linspace(-1, 1, 12).reshape(3, 4)
    whole = cut = {name: (weights, optimizers[name].init(weights)) for name in SCHEDULES}
    stops = random.Random(optimizer).sample(range(1, STEPS), 10)
    for i in range(STEPS):
        whole, cut = step(whole, jnp.float32(i)), step(cut, jnp.float32(i))
        if i in stops:
            saved = {name: np.array(leaf) for name, leaf in name_leaves(cut).items()}
            cut = jax.tree.unflatten(jax.tree.structure(cut), [jnp.asarray(leaf) for leaf in saved.values()])
    ends = [name_leaves(states) for states in (whole, cut)]
    for name in ends[0]:
        np.testing.assert_array_equal(ends[1][name], ends[0][name], err_msg=name)
    apart = {tuple(np.asarray(params).ravel().tolist()) for params, _ in whole.values()}
    assert len(apart) == len(SCHEDULES), "each schedule takes its own way"
