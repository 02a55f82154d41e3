"""What each objective reports of a batch: the terms of its loss, how many pairs each adds up, and its floor.

Arithmetic on host values alone, so that a chart or a table needs no jax.
"""

from __future__ import annotations

from dataclasses import dataclass

from simo2_core.config import ObjectiveConfig
from simo2_core.loss_floor import loss_floor, pair_counts


@dataclass(frozen=True)
class Term:
    """One number of each step."""

    title: str
    """What it is, in words for a chart."""
    pairs: float = 1
    """How many pairs the reported number adds up; 1 where it is a mean, or no sum over pairs."""
    floor: float | None = None
    """The least that the reported number can be; None where no bound is known."""


def terms_of(config: ObjectiveConfig, classes: int, samples_per_class: int) -> dict[str, Term]:
    """The terms of the objective's loss for batches of C classes of k samples, by name; `total` is the first."""
    return _simo2(config, classes, samples_per_class)


def _simo2(config: ObjectiveConfig, classes: int, samples_per_class: int) -> dict[str, Term]:
    pairs = pair_counts(classes, samples_per_class)
    floor = loss_floor(classes, samples_per_class, epsilon=config.epsilon)
    titles = {"total": "total", "same": "same class", "mean": "class means", "diff": "different classes"}
    return {name: Term(title, getattr(pairs, name), getattr(floor, name)) for name, title in titles.items()}
