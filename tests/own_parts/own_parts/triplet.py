"""A triplet loss with six numbers a step."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from simo2_core.objectives.objective import Loss, Objective, Term
from simo2_core.settings import require, setting

TERMS = ("positive", "negative", "hardest", "active", "spread")


@dataclass(frozen=True, kw_only=True)
class Triplet(Objective):
    """Every image nearer to those of its class than to all others, by a margin of cosine."""

    summary = "all triplets of a batch"
    softened_by = "margin"
    arms: ClassVar[dict[str, dict[str, float]]] = {"triplet-wide": {"margin": 0.6}}

    margin: float = setting(0.3, "how much nearer images of one class have to be, in cosine")

    def check(self):
        require(0 < self.margin <= 2, "margin", self.margin, "above 0 and at most 2")

    def terms(self, classes, samples_per_class):
        return {"total": Term("triplets", floor=0.0)} | {name: Term(name) for name in TERMS}

    def loss(self, params, seen, task):
        z = seen.embedding.reshape(-1, seen.embedding.shape[-1])
        own = jnp.repeat(jnp.arange(seen.embedding.shape[0]), seen.embedding.shape[1])
        cosines, same = z @ z.T, own[:, None] == own[None, :]
        positive, negative = jnp.where(same, cosines, 0).sum() / same.sum(), jnp.where(same, 0, cosines).mean()
        lack = jax.nn.relu(
            jnp.where(same, -2, cosines).max(axis=1) - jnp.where(same, cosines, 2).min(axis=1) + self.margin
        )
        numbers = (positive, negative, lack.max(), (lack > 0).mean(), z.std(axis=0).mean())
        return Loss(lack.mean(), dict(zip(TERMS, numbers, strict=True)))
