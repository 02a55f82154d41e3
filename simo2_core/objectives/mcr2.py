"""Maximal coding rate reduction: all images spread over many dimensions, those of a class over few.

    L = R_c − R,   R = ½ logdet(I + D/(n ε²) ZᵀZ),   R_c = Σ_j n_j/(2n) logdet(I + D/(n_j ε²) Z_jᵀZ_j)

Z has the n unit embeddings of the batch as rows, Z_j the n_j of class j. At its best the classes lie in orthogonal
subspaces. Source: Yu et al., "Learning Diverse and Discriminative Representations via the Principle of Maximal Coding
Rate Reduction", arXiv 2006.08558, the definitions of R, R_c and ΔR of section 2; −ΔR is minimised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.dtypes import raised
from simo2_core.objectives.objective import Loss, Objective, Seen, Task, Term
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array

    from simo2_core.objectives.objective import Arrays


@dataclass(frozen=True, kw_only=True)
class Mcr2(Objective):
    """Terms: `pull`, R_c, and `push`, −R. They add up to `total`."""

    name = "mcr2"
    summary = "maximal coding rate reduction: classes in orthogonal subspaces"
    softened_by = "distortion"

    distortion: float = setting(0.5, "ε², the squared error that a code may make", above=0, at_most=1e4)

    def terms(self, classes: int, samples_per_class: int) -> dict[str, Term]:
        """R_c is above 0. How large R can be depends on D, which batches do not say."""
        return {"total": Term("total"), "pull": Term("rate of the classes", floor=0.0), "push": Term("rate of all")}

    def loss(self, params: Arrays, seen: Seen, task: Task) -> Loss:

        z_ckd = raised(seen.embedding)
        whole = twice_rate(z_ckd.reshape(1, -1, z_ckd.shape[-1]), self.distortion)
        pull, push = twice_rate(z_ckd, self.distortion).mean() / 2, -whole[0] / 2
        return Loss(pull + push, {"pull": pull, "push": push})


def twice_rate(z_gnd: Array, distortion: float) -> Array:
    """(g,) logdet(I + D/(n ε²) ZᵀZ) of each group of n rows, by the smaller of the two Gram matrices."""
    import jax
    import jax.numpy as jnp

    _, n, dims = z_gnd.shape
    of = "gnd,gmd->gnm" if n < dims else "gnd,gne->gde"
    gram = jnp.einsum(of, z_gnd, z_gnd, precision=jax.lax.Precision.HIGHEST) * (dims / (n * distortion))
    # of a symmetric positive matrix: the determinant is the squared product of the diagonal of its root
    root = jnp.linalg.cholesky(jnp.eye(gram.shape[-1], dtype=gram.dtype)[None] + gram)
    return 2 * jnp.log(jnp.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
