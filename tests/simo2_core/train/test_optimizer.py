from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from simo2_core.optimizer_config import OPTIMIZERS, SCHEDULES, OptimizerConfig
from simo2_core.train.optimizer import averaged, learning_rate_schedule, make_optimizer


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


def muon_update(**settings: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Parameters of each kind, their gradients, and what muon makes of these in its first step."""
    rng = np.random.default_rng(0)
    shapes = {
        "encoder/conv/kernel": (3, 3, 4, 8),
        "encoder/dense/kernel": (20, 6),
        "encoder/conv/bias": (8,),
        "head/kernel": (8, 5),
        "objective/classifier/kernel": (8, 3),
    }
    params, gradient = (
        {name: jnp.asarray(rng.normal(size=shape), jnp.float32) for name, shape in shapes.items()} for _ in range(2)
    )
    transform = _optimizer(10, optimizer="muon", gradient_clip=0, **settings)
    return params, gradient, transform.update(gradient, transform.init(params), params)[0]


def test_muon_turns_the_kernels_of_the_encoder_and_leaves_the_rest_to_another() -> None:
    params, gradient, updates = muon_update(learning_rate=0.5, momentum=0.0, rest_optimizer="sgd", rest_rate=0.01)
    for name in ("encoder/conv/kernel", "encoder/dense/kernel"):
        as_matrix = np.asarray(updates[name]).reshape(-1, params[name].shape[-1])
        values = np.linalg.svd(as_matrix, compute_uv=False) / 0.5
        assert ((values > 0.6) & (values < 1.3)).all(), "orthogonal, as nearly as five steps of Newton-Schulz make it"
        assert (as_matrix * np.asarray(gradient[name]).reshape(as_matrix.shape)).sum() < 0, "downhill"
    for name in ("encoder/conv/bias", "head/kernel", "objective/classifier/kernel"):
        np.testing.assert_allclose(updates[name], -0.01 * gradient[name], rtol=1e-5)


def test_muon_can_leave_the_rest_to_adamw() -> None:
    _, gradient, updates = muon_update(learning_rate=0.5, rest_rate=0.02, weight_decay=0.0)
    np.testing.assert_allclose(updates["head/kernel"], -0.02 * np.sign(gradient["head/kernel"]), rtol=1e-3)


def test_filters_are_scaled_before_they_move() -> None:
    params, _, updates = muon_update(learning_rate=0.5, scale_filters=True)
    _, _, plain = muon_update(learning_rate=0.5)
    for name in ("encoder/conv/kernel", "encoder/dense/kernel"):
        before = np.asarray(params[name] + updates[name] - plain[name])
        assert np.linalg.norm(before) == pytest.approx(np.sqrt(before.shape[-1]), rel=1e-5)
    np.testing.assert_array_equal(updates["head/kernel"], plain["head/kernel"])


def test_an_average_forgets_the_beginning_and_then_follows_slowly() -> None:
    expected, average = 5.0, {"w": jnp.asarray([5.0], jnp.float32)}
    for step in range(1, 200):
        kept = min(0.9, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * step
        average = averaged(average, {"w": jnp.asarray([step], jnp.float32)}, jnp.int32(step), 0.9)
    np.testing.assert_allclose(average["w"], [expected], rtol=1e-5)
