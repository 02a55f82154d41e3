"""Orthogonal projection loss: cross-entropy, and the cosines of the representation made 1 inside a class and 0 between.

    L = CE + λ ((1 − s) + γ |d|)

s is the mean cosine of pairs of one class, d that of pairs of two; the absolute value is that of the mean. Source:
Ranasinghe et al., "Orthogonal Projection Loss", arXiv 2103.14021, the definitions of s, d and L_OPL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.dtypes import raised
from simo2_core.objectives.cross_entropy import LinearClassifier
from simo2_core.objectives.objective import Loss, Seen, Task, Term
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array

    from simo2_core.objectives.objective import Arrays


@dataclass(frozen=True, kw_only=True)
class OrthogonalProjection(LinearClassifier):
    """Own parameters: those of `LinearClassifier`. Terms, weighted, which add up: `entropy`, `pull` and `push`."""

    name = "opl"
    summary = "a linear classifier, and classes of the representation orthogonal"
    compares_images = True

    opl_weight: float = setting(1.0, "λ, the weight of the cosines beside the cross-entropy", at_least=0, at_most=1e6)
    opl_push: float = setting(0.5, "γ, the weight of pairs of different classes among the cosines", at_least=0)

    def terms(self, classes: int, samples_per_class: int) -> dict[str, Term]:
        return {
            "total": Term("total", floor=0.0),
            "entropy": Term("cross-entropy", floor=0.0),
            "pull": Term("same class", floor=0.0),
            "push": Term("different classes", floor=0.0),
        }

    def loss(self, params: Arrays, seen: Seen, task: Task) -> Loss:
        import jax.numpy as jnp

        entropy = super().loss(params, seen, task).total
        h_nf = raised(seen.representation)
        unit_nf = h_nf / jnp.sqrt(jnp.maximum(jnp.square(h_nf).sum(axis=1, keepdims=True), 1e-12))
        same, different = mean_cosines(unit_nf.reshape(*seen.embedding.shape[:2], -1))
        pull = self.opl_weight * (1 - same)
        push = self.opl_weight * self.opl_push * jnp.abs(different)
        return Loss(entropy + pull + push, {"entropy": entropy, "pull": pull, "push": push})


def mean_cosines(rows_ckd: Array) -> tuple[Array, Array]:
    """The mean cosine of pairs of one class, and of pairs of two, of (C, k, D) unit rows: no pair is ever gathered.

    The squared length of a sum of rows is the sum of all their cosines, that of each row with itself among them.
    """
    import jax.numpy as jnp

    classes, k, _ = rows_ckd.shape
    sums_cd = rows_ckd.sum(axis=1)
    squares_c = jnp.square(sums_cd).sum(axis=1)
    itself = jnp.square(rows_ckd).sum()
    same = (squares_c.sum() - itself) / (classes * k * (k - 1))
    different = (jnp.square(sums_cd.sum(axis=0)).sum() - squares_c.sum()) / max(1, classes * (classes - 1) * k * k)
    return same, different
