"""SINCERE: the supervised contrastive loss, where images of the anchor's own class are never pushed away.

    L = mean over anchors i, and over p in P(i), of  log(1 + Σ_{n not of the class of i} exp((z_i·z_n − z_i·z_p)/τ))

P(i) are the other samples of i's class. Source: Feeney and Hughes, "SINCERE: Supervised Information Noise-Contrastive
Estimation Revisited", arXiv 2309.14277, the ratio of figure 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.dtypes import raised
from simo2_core.objectives.objective import Loss, Objective, Seen, Task, Term
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array

    from simo2_core.objectives.objective import Arrays

_ROWS = 1024
"""Anchors whose cosines with all the batch are held at once."""


@dataclass(frozen=True, kw_only=True)
class Sincere(Objective):
    """No terms beside `total`: its sum over negatives is inside the logarithm of each positive pair."""

    name = "sincere"
    summary = "supervised contrastive, with other classes alone as negatives"
    softened_by = "temperature"

    temperature: float = setting(0.1, "τ, what cosines are divided by", above=0)

    def terms(self, classes: int, samples_per_class: int) -> dict[str, Term]:
        """The least is reached when classes are the corners of a regular simplex: D ≥ C − 1.

        By Jensen's inequality the loss is at least log(1 + (C−1) k exp((o − m)/τ)), with m and o the mean cosines of
        pairs of one class and of two, and o − m is at least −C/(C−1).
        """
        C, k = classes, samples_per_class
        least = math.log1p((C - 1) * k * math.exp(-C / (C - 1) / self.temperature)) if C > 1 else 0.0
        return {"total": Term("total", floor=least)}

    def loss(self, params: Arrays, seen: Seen, task: Task) -> Loss:
        return Loss(sincere_loss(seen.embedding, temperature=self.temperature), {})


def sincere_loss(embeddings: Array, *, temperature: float) -> Array:
    """The loss of (C, k, D) unit embeddings, k ≥ 2: a float32 scalar."""
    import jax
    import jax.numpy as jnp

    classes, k, dims = embeddings.shape
    z_nd = raised(embeddings).reshape(-1, dims)
    labels_n = jnp.repeat(jnp.arange(classes), k)

    @jax.checkpoint  # a row of cosines is cheaper made twice than kept for the backward pass
    def of_anchor(anchor: Array) -> Array:
        scores_n = jnp.matmul(z_nd, z_nd[anchor], precision=jax.lax.Precision.HIGHEST) / temperature
        same_n = labels_n == labels_n[anchor]
        against = jax.nn.logsumexp(jnp.where(same_n, -jnp.inf, scores_n))
        positive_n = same_n & (jnp.arange(len(z_nd)) != anchor)
        return jnp.where(positive_n, jax.nn.softplus(against - scores_n), 0).sum() / (k - 1)

    every_n: Array = jax.lax.map(of_anchor, jnp.arange(len(z_nd)), batch_size=min(_ROWS, len(z_nd)))
    return every_n.mean()
