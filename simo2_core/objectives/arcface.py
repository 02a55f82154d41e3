"""Softmax over scaled cosines with class directions, and an angle more to its own for every image.

    L = −log( e^{s·cos(θ_y + m)} / (e^{s·cos(θ_y + m)} + Σ_{c ≠ y} e^{s·cos θ_c}) )

θ_c is the angle between an embedding and the direction of class c; beyond π − m, cos θ_y − m·sin m takes the place of
cos(θ_y + m), so that it goes on falling. With m = 0 it is the normalised softmax. Sources: Deng et al., "ArcFace",
arXiv 1801.07698, equation 3, and the authors' code for angles beyond π − m; Wang et al., "NormFace", arXiv 1704.06369.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from simo2_core.dtypes import raised
from simo2_core.objectives.objective import Loss, Objective, Seen, Task, Term
from simo2_core.objectives.prototypes import PROTOTYPES, drawn_prototypes, unit
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array

    from simo2_core.objectives.objective import Arrays


@dataclass(frozen=True, kw_only=True)
class ArcFace(Objective):
    """Own parameters: `prototypes`, (all classes, D). No terms beside `total`."""

    name = "arcface"
    summary = "softmax of cosines with class directions, with an angular margin"
    compares_images = False
    allowed_labels = ("classes",)
    labels_cure = "Use --labels classes, or --objective simclr."
    arms: ClassVar[Mapping[str, Mapping[str, Any]]] = {"normalised-softmax": {"angular_margin": 0.0}}

    angular_margin: float = setting(
        0.5, "m, radians added to the angle to the own class; 0 is the normalised softmax", at_least=0, at_most=1.5
    )
    cosine_scale: float = setting(64.0, "s, what cosines are multiplied with", above=0, at_most=1e4)

    def terms(self, classes: int, samples_per_class: int) -> dict[str, Term]:
        """At least what an image costs that lies on its own direction, with all others opposite."""
        others = (classes - 1) * math.exp(-self.cosine_scale * (1 + math.cos(self.angular_margin)))
        return {"total": Term("cross-entropy of cosines", floor=math.log1p(others))}

    def init(self, key: Array, task: Task) -> Arrays:
        return {PROTOTYPES: drawn_prototypes(key, task)}

    def loss(self, params: Arrays, seen: Seen, task: Task) -> Loss:
        import jax
        import jax.numpy as jnp
        import optax

        z_ckd = raised(seen.embedding)
        z_nd = z_ckd.reshape(-1, z_ckd.shape[-1])
        cosines_na = jnp.matmul(z_nd, unit(params[PROTOTYPES]).T, precision=jax.lax.Precision.HIGHEST)
        labels_n = jnp.repeat(seen.classes, z_ckd.shape[1])
        own_na = jax.nn.one_hot(labels_n, task.classes, dtype=bool)
        scores_na = self.cosine_scale * jnp.where(own_na, with_margin(cosines_na, self.angular_margin), cosines_na)
        return Loss(optax.softmax_cross_entropy_with_integer_labels(scores_na, labels_n).mean(), {})


def with_margin(cosines: Array, margin: float) -> Array:
    """cos(θ + m) of cos θ; beyond π − m, cos θ − m·sin m."""
    import jax.numpy as jnp

    # a root has no slope at 0: at the least it is that of an angle of a thousandth
    sines = jnp.sqrt(jnp.maximum(1 - jnp.square(cosines), 1e-6))
    further = cosines * math.cos(margin) - sines * math.sin(margin)
    beyond = cosines - margin * math.sin(margin)
    return cosines if not margin else jnp.where(cosines > -math.cos(margin), further, beyond)
