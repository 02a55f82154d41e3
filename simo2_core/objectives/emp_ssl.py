"""EMP-SSL: the views of an image near their mean, and one view of every image spread out.

    L = −mean_i R(Z_i) − λ mean_ij cos(z_ij, z̄_j),   R(Z) = ½ logdet(I + D/(b ε²) ZᵀZ)

Z_i has the i-th view of the b images of a batch as rows, z̄_j is the mean of the views of image j. Source: Tong et al.,
"EMP-SSL: Towards Self-Supervised Learning in One Training Epoch", arXiv 2304.03977, equation 3, with λ = 200 and
ε² = 0.2. With labels the images of a class stand for the views of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.dtypes import raised
from simo2_core.objectives.mcr2 import twice_rate
from simo2_core.objectives.objective import Loss, Objective, Seen, Task, Term
from simo2_core.settings import setting

if TYPE_CHECKING:
    from simo2_core.objectives.objective import Arrays


@dataclass(frozen=True, kw_only=True)
class EmpSsl(Objective):
    """Terms: `pull`, −λ times the mean cosine, and `push`, −R. They add up to `total`."""

    name = "emp_ssl"
    summary = "the views of an image near their mean, one view of all images spread out"
    softened_by = "code_error"

    invariance: float = setting(200.0, "λ, the weight of the cosine of a view and the mean of its image", above=0)
    code_error: float = setting(0.2, "ε², the squared error that a code of a view may make", above=0, at_most=1e4)

    def terms(self, classes: int, samples_per_class: int) -> dict[str, Term]:
        """The least of `pull` is reached when all views of an image are equal. How large R can be depends on D."""
        return {"total": Term("total"), "pull": Term("to the mean", floor=-self.invariance), "push": Term("rate")}

    def loss(self, params: Arrays, seen: Seen, task: Task) -> Loss:
        import jax.numpy as jnp

        z_ckd = raised(seen.embedding)
        push = -twice_rate(z_ckd.swapaxes(0, 1), self.code_error).mean() / 2
        mean_cd = z_ckd.mean(axis=1)
        # the mean of unit rows with the unit mean of them is its length; at zero the gradient is none
        square_c = (mean_cd**2).sum(axis=1)
        length_c = jnp.where(square_c > 0, jnp.sqrt(jnp.where(square_c > 0, square_c, 1)), 0)
        pull = -self.invariance * length_c.mean()
        return Loss(pull + push, {"pull": pull, "push": push})
