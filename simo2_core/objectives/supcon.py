"""The supervised contrastive loss, and NT-Xent, which is the same where only two views of one image are a pair.

    L = mean over anchors i of  −1/|P(i)| Σ_{p in P(i)} z_i·z_p/τ  +  log Σ_{a ≠ i} exp(z_i·z_a/τ)

P(i) are the other samples of i's class. Sources: Khosla et al., "Supervised Contrastive Learning", arXiv 2004.11362,
L_out of equation 2; Chen et al., "A Simple Framework for Contrastive Learning", arXiv 2002.05709, equation 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from simo2_core.objectives.objective import Loss, Objective, Seen, Task, Term
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array

    from simo2_core.objectives.objective import Arrays

_ROWS = 1024
"""Anchors whose cosines with all the batch are held at once."""


@dataclass(frozen=True, kw_only=True)
class SupCon(Objective):
    """Terms: `pull`, the first summand, of positive pairs; `push`, the second, of all pairs. They add up to `total`."""

    name = "supcon"
    summary = "the supervised contrastive loss"
    softened_by = "temperature"

    temperature: float = setting(0.1, "τ, what cosines are divided by", above=0)

    def terms(self, classes: int, samples_per_class: int) -> dict[str, Term]:
        """The least of the whole is reached when classes are the corners of a regular simplex: D ≥ C − 1.

        Source: Graf et al., "Dissecting Supervised Contrastive Learning", arXiv 2102.08817, theorem 2.
        """
        C, k = classes, samples_per_class
        least = math.log((k - 1) + (C * k - k) * math.exp(-C / (C - 1) / self.temperature)) if C > 1 else None
        return {
            "total": Term("total", floor=least),
            "pull": Term("positive pairs", floor=-1 / self.temperature),
            "push": Term("all pairs"),
        }

    def loss(self, params: Arrays, seen: Seen, task: Task) -> Loss:
        pull, push = supcon_loss(seen.embedding, temperature=self.temperature)
        return Loss(pull + push, {"pull": pull, "push": push})


@dataclass(frozen=True, kw_only=True)
class SimClr(SupCon):
    """NT-Xent: SupCon whose pairs are two views of one image."""

    name = "simclr"
    summary = "NT-Xent: two views of one image together, all others apart"
    allowed_labels = ("none",)
    labels_cure = "Use --labels none; or --objective supcon, the same loss with the pairs of a class."
    arms: ClassVar[Mapping[str, Mapping[str, Any]]] = {"simclr": {"labels": "none", "samples_per_class": 2}}


def supcon_loss(embeddings: Array, *, temperature: float) -> tuple[Array, Array]:
    """The two summands of the loss of (C, k, D) unit embeddings, k ≥ 2: float32 scalars."""
    import jax
    import jax.numpy as jnp

    classes, k, dims = embeddings.shape
    z_ckd = embeddings.astype(jnp.float32)
    others_ckd = z_ckd.sum(axis=1, keepdims=True) - z_ckd
    pull = -(z_ckd * others_ckd).sum() / (classes * k * (k - 1) * temperature)
    z_nd = z_ckd.reshape(-1, dims)

    @jax.checkpoint  # a row of cosines is cheaper made twice than kept for the backward pass
    def spread(anchor: Array) -> Array:
        cosines_n = jnp.matmul(z_nd, z_nd[anchor], precision=jax.lax.Precision.HIGHEST) / temperature
        itself_n = jnp.arange(len(z_nd)) == anchor
        return jax.nn.logsumexp(jnp.where(itself_n, -jnp.inf, cosines_n))

    push: Array = jax.lax.map(spread, jnp.arange(len(z_nd)), batch_size=min(_ROWS, len(z_nd))).mean()
    return pull, push
