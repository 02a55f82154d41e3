"""Optimisers and learning-rate schedules: optax's own, by the names of the settings."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from simo2_core.compiling import jit
from simo2_core.config import OptimizerConfig
from simo2_core.errors import ConfigError
from simo2_core.parts import find_object


def make_optimizer(config: OptimizerConfig, rate: optax.Schedule) -> optax.GradientTransformation:
    """The gradient clip, then the optimiser with the learning rate that `rate` gives for each step."""
    makers: dict[str, Callable[[], optax.GradientTransformation]] = {
        "adam": lambda: optax.adam(rate),
        "adamw": lambda: optax.adamw(rate, weight_decay=config.weight_decay),
        "sgd": lambda: optax.sgd(rate, momentum=config.momentum or None),
        "novograd": lambda: optax.novograd(rate, weight_decay=config.weight_decay),
        "rmsprop": lambda: optax.rmsprop(rate, momentum=config.momentum or None),
    }
    clip = optax.clip_by_global_norm(config.gradient_clip) if config.gradient_clip else optax.identity()
    return optax.chain(clip, makers[config.optimizer]() if config.optimizer in makers else _named(config, rate))


def _named(config: OptimizerConfig, rate: optax.Schedule) -> optax.GradientTransformation:
    """The optimiser that a reference names: a function that takes `learning_rate`, as those of optax do."""
    make = find_object(config.optimizer, trusted="optax")
    try:
        return make(learning_rate=rate)
    except TypeError as error:
        raise ConfigError(
            f"optimizer is {config.optimizer!r}, which cannot be made with a learning rate alone: {error}."
        ) from error


def learning_rates(config: OptimizerConfig, steps: int) -> NDArray[np.float32]:
    """(steps,) learning rates of a run."""
    return np.asarray(jit(jax.vmap(learning_rate_schedule(config, steps)))(jnp.arange(steps)), np.float32)


def learning_rate_schedule(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """The learning rate at each step, counted from 0, of a run of `steps`."""
    peak, final = config.learning_rate, config.learning_rate * config.final_lr_fraction
    warmup = min(config.warmup_steps or max(1, steps // 10), steps - 1)
    first = peak / (warmup + 1)  # the rate is 0 one step earlier: the first step is not wasted
    every = config.decay_steps or max(1, steps // 5)
    makers: dict[str, Callable[[], optax.Schedule]] = {
        "constant": lambda: optax.constant_schedule(peak),
        "cosine": lambda: optax.cosine_decay_schedule(peak, steps, alpha=config.final_lr_fraction),
        "warmup_cosine": lambda: optax.warmup_cosine_decay_schedule(first, peak, warmup, steps, end_value=final),
        "exponential": lambda: optax.exponential_decay(peak, every, config.decay_rate),
        "step": lambda: optax.exponential_decay(peak, every, config.decay_rate, staircase=True),
        "linear": lambda: optax.linear_schedule(peak, final, steps),
        "polynomial": lambda: optax.polynomial_schedule(peak, final, config.power, steps),
    }
    return makers[config.schedule]()
