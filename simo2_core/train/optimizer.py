"""Optimisers and learning-rate schedules: optax's own, by the names of the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
from jax import Array
from numpy.typing import NDArray

from simo2_core.compiling import jit
from simo2_core.errors import ConfigError
from simo2_core.optimizer_config import OptimizerConfig
from simo2_core.parts import find_object


def make_optimizer(config: OptimizerConfig, rate: optax.Schedule) -> optax.GradientTransformation:
    """The gradient clip, then the optimiser with the learning rate that `rate` gives for each step."""
    makers: dict[str, Callable[[], optax.GradientTransformation]] = {
        "adam": lambda: optax.adam(rate),
        "adamw": lambda: optax.adamw(rate, weight_decay=config.weight_decay),
        "sgd": lambda: optax.sgd(rate, momentum=config.momentum or None),
        "novograd": lambda: optax.novograd(rate, weight_decay=config.weight_decay),
        "rmsprop": lambda: optax.rmsprop(rate, momentum=config.momentum or None),
        "muon": lambda: _muon(config, rate),
    }
    clip = optax.clip_by_global_norm(config.gradient_clip) if config.gradient_clip else optax.identity()
    return optax.chain(clip, makers[config.optimizer]() if config.optimizer in makers else _named(config, rate))


def _muon(config: OptimizerConfig, rate: optax.Schedule) -> optax.GradientTransformation:
    """Muon for the encoder's kernels, each as a matrix of its filters; another optimiser for the rest.

    Source: Keller Jordan, "Muon: An optimizer for hidden layers in neural networks" (2024), and airbench94_muon.
    """

    def rest_rate(step: Any) -> Any:
        return rate(step) * (config.rest_rate / config.learning_rate)

    rest = {
        "adamw": lambda: optax.adamw(rest_rate, weight_decay=config.weight_decay),
        "sgd": lambda: optax.sgd(rest_rate, momentum=config.momentum or None, nesterov=True),
    }[config.rest_optimizer]()
    orthogonal = optax.contrib.scale_by_muon(
        ns_steps=config.muon_steps, beta=config.momentum, weight_dimension_numbers=_as_matrices
    )
    kernels = [orthogonal, optax.scale_by_learning_rate(rate)]
    if config.scale_filters:
        kernels.append(_from_scaled_filters())
    return optax.partition({"kernels": optax.chain(*kernels), "rest": rest}, _kernels_and_rest)


def _kernels_and_rest(params: Any) -> Any:
    def group(path: Any, value: Array) -> str:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return "kernels" if name.startswith("encoder/") and value.ndim >= 2 else "rest"

    return jax.tree_util.tree_map_with_path(group, params)


def _as_matrices(kernels: Any) -> Any:
    """A kernel's last axis is that of its filters; all others are what a filter sums over."""

    def dimensions(kernel: Array) -> optax.contrib.MuonDimensionNumbers:
        return optax.contrib.MuonDimensionNumbers(tuple(range(kernel.ndim - 1)), kernel.ndim - 1)

    return jax.tree.map(dimensions, kernels)


def _from_scaled_filters() -> optax.GradientTransformation:
    """Makes an update start from the kernel at norm √filters: a rate then means the same turn in every step."""

    def scaled(update: Array, kernel: Array) -> Array:
        norm = jnp.maximum(jnp.sqrt(jnp.square(kernel).sum()), 1e-12)
        moved: Array = update + kernel * (np.sqrt(kernel.shape[-1]) / norm - 1)
        return moved

    def update(updates: Any, params: Any) -> Any:
        return jax.tree.map(scaled, updates, params)

    return optax.stateless(update)


def averaged(average: Any, now: Any, step: Array, decay: float) -> Any:
    """The average of weights (and statistics) after `step` steps, with those of `now`.

    The first steps count for more, so that what the weights began as is soon forgotten: the decay is at most
    (1 + step) / (10 + step), as in TensorFlow's `ExponentialMovingAverage`.
    """
    kept = jnp.minimum(decay, (1 + step) / (10 + step)).astype(jnp.float32)
    return jax.tree.map(lambda old, new: (kept * old + (1 - kept) * new).astype(old.dtype), average, now)


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
