"""What each objective reports of a batch: the terms of its loss, how many pairs each adds up, and its floor.

Arithmetic on host values alone, so that a chart or a table needs no jax.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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


def trains_projection(config: ObjectiveConfig) -> bool:
    """Whether the loss looks at the embedding: where it does not, the projection head stays as it was drawn."""
    return config.objective not in ("cross_entropy", "autoencoder")


def terms_of(config: ObjectiveConfig, classes: int, samples_per_class: int) -> dict[str, Term]:
    """The terms of the objective's loss for batches of C classes of k samples, by name; `total` is the first."""
    makers: dict[str, Callable[[ObjectiveConfig, int, int], dict[str, Term]]] = {
        "simo2": _simo2,
        "supcon": _supcon,
        "simclr": _supcon,
        "cross_entropy": _cross_entropy,
        "autoencoder": _autoencoder,
    }
    return makers[config.objective](config, classes, samples_per_class)


def _simo2(config: ObjectiveConfig, classes: int, samples_per_class: int) -> dict[str, Term]:
    pairs = pair_counts(classes, samples_per_class)
    floor = loss_floor(classes, samples_per_class, epsilon=config.epsilon, bias=config.bias)
    titles = {"total": "total", "same": "same class", "mean": "class means", "diff": "different classes"}
    if config.reduction == "sum":
        return {name: Term(title, getattr(pairs, name), getattr(floor, name)) for name, title in titles.items()}
    least = {name: getattr(floor, name) / max(1.0, getattr(pairs, name)) for name in ("same", "mean", "diff")}
    return {name: Term(title, 1, least.get(name, sum(least.values()))) for name, title in titles.items()}


def _supcon(config: ObjectiveConfig, classes: int, samples_per_class: int) -> dict[str, Term]:
    """The least of the whole is reached when classes are the corners of a regular simplex, which needs D ≥ C − 1.

    Source: Graf et al., "Dissecting Supervised Contrastive Learning", arXiv 2102.08817, theorem 2.
    """
    C, k = classes, samples_per_class
    least = math.log((k - 1) + (C * k - k) * math.exp(-C / (C - 1) / config.temperature)) if C > 1 else None
    return {
        "total": Term("total", floor=least),
        "pull": Term("positive pairs", floor=-1 / config.temperature),
        "push": Term("all pairs"),
    }


def _cross_entropy(config: ObjectiveConfig, classes: int, samples_per_class: int) -> dict[str, Term]:
    """The least is the entropy of the smoothed target; `classes` are those of the batch, at most all there are."""
    return {"total": Term("cross-entropy", floor=0.0 if not config.label_smoothing else None)}


def _autoencoder(config: ObjectiveConfig, classes: int, samples_per_class: int) -> dict[str, Term]:
    return {"total": Term("squared error of a pixel", floor=0.0)}
