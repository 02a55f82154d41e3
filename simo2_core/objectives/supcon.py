"""The supervised contrastive loss, and NT-Xent, which is the same where only two views of one image are a pair.

    L = mean over anchors i of  −1/|P(i)| Σ_{p in P(i)} z_i·z_p/τ  +  log Σ_{a ≠ i} exp(z_i·z_a/τ)

P(i) are the other samples of i's class. Sources: Khosla et al., "Supervised Contrastive Learning", arXiv 2004.11362,
L_out of equation 2; Chen et al., "A Simple Framework for Contrastive Learning", arXiv 2002.05709, equation 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from simo2_core.model.network import Arrays
from simo2_core.objectives.objective import Loss, Objective, Seen

_ROWS = 1024
"""Anchors whose cosines with all the batch are held at once."""


@dataclass(frozen=True)
class SupCon(Objective):
    """Terms: `pull`, the first summand, of positive pairs; `push`, the second, of all pairs. They add up to `total`."""

    temperature: float

    def loss(self, params: Arrays, seen: Seen) -> Loss:
        pull, push = supcon_loss(seen.embedding, temperature=self.temperature)
        return Loss(pull + push, {"pull": pull, "push": push})


def supcon_loss(embeddings: Array, *, temperature: float) -> tuple[Array, Array]:
    """The two summands of the loss of (C, k, D) unit embeddings, k ≥ 2: float32 scalars."""
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
