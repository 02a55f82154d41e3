from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from simo2_core.config import OPTIMIZERS, SCHEDULES, OptimizerConfig
from simo2_core.train.optimizer import learning_rate_schedule, make_optimizer


def _optimizer(steps: int, **settings: Any) -> optax.GradientTransformation:
    config = OptimizerConfig(**settings)
    return make_optimizer(config, learning_rate_schedule(config, steps))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_optimizer_goes_downhill_under_every_schedule(optimizer: str, schedule: str) -> None:
    transform = _optimizer(20, optimizer=optimizer, schedule=schedule, learning_rate=0.1)
    params = {"w": jnp.array([3.0, -2.0])}
    state = transform.init(params)
    for _ in range(5):
        updates, state = transform.update({"w": 2 * params["w"]}, state, params)
        params = optax.apply_updates(params, updates)
    assert float(jnp.sum(params["w"] ** 2)) < 13


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"schedule": "constant"}, {0: 1, 99: 1}),
        ({"schedule": "cosine"}, {0: 1, 50: 0.5, 100: 0}),
        ({"schedule": "cosine", "final_lr_fraction": 0.1}, {0: 1, 50: 0.55, 100: 0.1}),
        ({"schedule": "warmup_cosine"}, {0: 1 / 11, 5: 6 / 11, 10: 1, 55: 0.5, 100: 0}),
        ({"schedule": "warmup_cosine", "warmup_steps": 20}, {10: 11 / 21, 20: 1, 60: 0.5}),
        ({"schedule": "exponential"}, {0: 1, 20: 0.5, 30: 0.5**1.5, 40: 0.25}),
        ({"schedule": "exponential", "decay_rate": 0.1, "decay_steps": 50}, {50: 0.1}),
        ({"schedule": "step"}, {0: 1, 19: 1, 20: 0.5, 39: 0.5, 40: 0.25}),
        ({"schedule": "linear", "final_lr_fraction": 0.5}, {0: 1, 50: 0.75, 100: 0.5}),
        ({"schedule": "polynomial"}, {0: 1, 50: 0.25, 100: 0}),
        ({"schedule": "polynomial", "power": 3.0}, {50: 0.125}),
    ],
)
def test_the_learning_rate_is_what_the_settings_say(settings: dict[str, Any], expected: dict[int, float]) -> None:
    schedule = learning_rate_schedule(OptimizerConfig(learning_rate=1.0, **settings), 100)
    for step, rate in expected.items():
        np.testing.assert_allclose(float(schedule(step)), rate, atol=1e-6)


def _first_update(**settings: Any) -> float:
    transform = _optimizer(10, learning_rate=1.0, **settings)
    params = {"w": jnp.array([10.0])}
    state = transform.init(params)
    for _ in range(2):
        updates, state = transform.update({"w": jnp.array([100.0])}, state, params)
    return float(updates["w"][0])


def test_the_clip_the_momentum_and_the_decay_are_read() -> None:
    np.testing.assert_allclose(_first_update(optimizer="sgd", momentum=0.0, gradient_clip=0.0), -100)
    np.testing.assert_allclose(_first_update(optimizer="sgd", momentum=0.0, gradient_clip=5.0), -5)
    np.testing.assert_allclose(_first_update(optimizer="sgd", momentum=0.5, gradient_clip=5.0), -7.5)
    assert _first_update(optimizer="rmsprop", momentum=0.9) < _first_update(optimizer="rmsprop", momentum=0.0)
    for optimizer in ("adamw", "novograd"):
        plain = _first_update(optimizer=optimizer, weight_decay=0.0)
        assert _first_update(optimizer=optimizer, weight_decay=0.1) < plain - 0.9


def test_a_run_of_one_step_has_a_schedule() -> None:
    for schedule in SCHEDULES:
        assert np.isfinite(float(learning_rate_schedule(OptimizerConfig(schedule=schedule), 1)(0)))
