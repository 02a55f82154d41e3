"""Softmax cross-entropy of a linear classifier on the representation: what every other objective is compared with.

The projection head sees no gradient: it stays the random projection that it began as.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jax import Array

from simo2_core.model.initial import lecun_normal
from simo2_core.model.network import Arrays
from simo2_core.objectives.objective import Loss, Objective, Seen


@dataclass(frozen=True)
class CrossEntropy(Objective):
    """Own parameters: `classifier/kernel` (F, C) and `classifier/bias` (C,). No terms beside `total`."""

    features: int
    classes: int
    label_smoothing: float

    def init(self, key: Array) -> Arrays:
        kernel = lecun_normal(key, (self.features, self.classes))
        return {"classifier/kernel": kernel, "classifier/bias": jnp.zeros(self.classes)}

    def loss(self, params: Arrays, seen: Seen) -> Loss:
        logits_nc = classify(params, seen.representation)
        labels_n = jnp.repeat(seen.classes, seen.embedding.shape[1])
        targets_nc = optax.smooth_labels(jax.nn.one_hot(labels_n, self.classes), self.label_smoothing)
        return Loss(optax.softmax_cross_entropy(logits_nc, targets_nc).mean(), {})


def classify(params: Arrays, representation: Array) -> Array:
    """(N, C) logits of (N, F) representations."""
    kernel, bias = params["classifier/kernel"], params["classifier/bias"]
    logits_nc: Array = jnp.matmul(representation, kernel) + bias[None, :]
    return logits_nc
