"""EMP-SSL's loss, to compare with: `--objective tests/benchmarks/emp_ssl.py:EmpSsl --labels none`.

    L = −mean_i R(Z_i) − λ mean_ij cos(z_ij, z̄_j)        R(Z) = ½ logdet(I + D/(b ε²) ZᵀZ)

Z_i holds the i-th view of the b images of a batch, z̄_j the mean of the views of image j. Source: Tong et al., "EMP-SSL:
Towards Self-Supervised Learning in One Training Epoch", arXiv 2304.03977, equation 3, λ = 200 and ε² = 0.2.
"""

from dataclasses import dataclass

import jax.numpy as jnp

from simo2_core.objectives.objective import Loss, Objective, Term
from simo2_core.settings import setting


@dataclass(frozen=True, kw_only=True)
class EmpSsl(Objective):
    """Many views of an image near their mean, each view of all images spread out."""

    invariance: float = setting(200.0, "λ, the weight of the cosine of a view and the mean of its image", above=0)
    distortion: float = setting(0.2, "ε², the squared error that a code may make", above=0)

    def terms(self, classes, samples_per_class):
        return {"total": Term("total"), "pull": Term("to the mean"), "push": Term("rate")}

    def loss(self, params, seen, task):
        z = seen.embedding.astype(jnp.float32)  # (images, views, D) unit rows
        images, _, dims = z.shape
        of_view = z.swapaxes(0, 1)
        gram = jnp.einsum("vbd,vcd->vbc", of_view, of_view) * (dims / (images * self.distortion))
        push = -0.5 * jnp.linalg.slogdet(jnp.eye(images)[None] + gram)[1].mean()
        mean = z.mean(axis=1, keepdims=True)
        mean = mean / (jnp.linalg.norm(mean, axis=-1, keepdims=True) + 1e-8)
        pull = -(z * mean).sum(axis=-1).mean()
        return Loss(self.invariance * pull + push, {"pull": pull, "push": push})
