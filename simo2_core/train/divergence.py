"""A run that is no longer finite: what is said of it."""

from __future__ import annotations

import jax.numpy as jnp

from simo2_core.config import Config
from simo2_core.model.build import compute_dtype

LOSS, EMBEDDING = "the loss or its gradient", "the embedding"
"""What can be found not to be finite: in a step, or in an evaluation."""


def why_diverged(what: str, config: Config, step: int, rollbacks: int) -> tuple[str, str]:
    """What is said of a run that gives up after `step`: `what` was not finite, and the cures, the likeliest first."""
    tried = f", after {rollbacks} rollback{'s' * (rollbacks > 1)}" if rollbacks else ""
    kept = f"; the state of step {step} is kept" if step else ""
    cures = []
    if step:  # the first loss is that of the weights as they were drawn, whatever the learning rate
        cures.append("lower --learning-rate" + (" (or use --on-nan rollback)" if config.on_nan == "stop" else ""))
    if config.objective.softened_by:
        cures.append(f"raise --{config.objective.softened_by.replace('_', '-')}")
    if compute_dtype(config.model.precision) != jnp.float32:
        cures.append("use --precision float32")
    cures.append("look at the data")
    where = f"after step {step}" if what == EMBEDDING else f"at step {step + 1}"
    message = f"{what} was not finite {where}{tried}{kept}."
    return message, f"{cures[0][0].upper()}{'; then '.join(cures)[1:]}."
