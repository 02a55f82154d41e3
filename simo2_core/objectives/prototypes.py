"""Losses with a direction for each class: learnt ones with the batch as negatives, and fixed orthonormal ones.

Of an image z_i of class y, with the unit prototypes p and s_j = p_y · z_j / τ:

    NTCE    −s_i + log Σ_j exp(s_j)            over all images j of the batch, i among them
    NONL    −s_i + log Σ_{j not of y} exp(s_j)
    fixed   1 − p_y · z_i,  p_y the axis y

Means over the batch. Sources: Koromilas et al., "Neural Collapse by Design: Learning Class Prototypes on the
Hypersphere", arXiv 2605.20302 (ICML 2026), the definitions of NTCE and NONL as in the authors' code, with prototypes as
anchors; Li, Nguyen, Pimentel-Alarcón, "Semi-Supervised Contrastive Learning with Orthonormal Prototypes" (CLOP), arXiv
2512.07880: its term of the prototypes, on all images and alone.

Shape letters: C classes of the batch, k samples of each, n = C·k, D dimensions; a all classes of the data set.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.dtypes import raised
from simo2_core.errors import ConfigError
from simo2_core.findings import Finding
from simo2_core.objectives.objective import Batch, Loss, Objective, Seen, Task, Term
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array

    from simo2_core.objectives.objective import Arrays

PROTOTYPES = "prototypes"
"""The parameter: (a, D), not of unit length."""


@dataclass(frozen=True, kw_only=True)
class Ntce(Objective):
    """Own parameters: `prototypes` (a, D). Terms: `pull`, the first summand; `push`, the second."""

    name = "ntce"
    summary = "learnt prototypes, each against all images of the batch"
    allowed_labels = ("classes",)
    labels_cure = "Use --labels classes, or --objective simclr, which needs no prototypes."
    softened_by = "temperature"

    temperature: float = setting(0.1, "τ, what cosines are divided by", above=0)

    def terms(self, classes: int, samples_per_class: int) -> dict[str, Term]:
        """The least is reached when classes and their prototypes are the corners of a regular simplex: D ≥ C − 1.

        By Jensen's inequality a class with mean cosines m of its own and o of the others costs at least
        log(k + (C−1) k exp((o − m)/τ)), and the mean of o − m over classes is at least −C/(C−1).
        """
        least = self._least(classes, samples_per_class) if classes > 1 else None
        return {
            "total": Term("total", floor=least),
            "pull": Term("own prototype", floor=-1 / self.temperature),
            "push": Term("batch"),
        }

    def _least(self, classes: int, k: int) -> float:
        return math.log(k + (classes - 1) * k * math.exp(-classes / (classes - 1) / self.temperature))

    def init(self, key: Array, task: Task) -> Arrays:
        return {PROTOTYPES: drawn_prototypes(key, task)}

    def loss(self, params: Arrays, seen: Seen, task: Task) -> Loss:
        import jax
        import jax.numpy as jnp

        z_ckd = raised(seen.embedding)
        classes, k, _ = z_ckd.shape
        p_cd = unit(params[PROTOTYPES][seen.classes])
        of_all = jnp.matmul(p_cd, z_ckd.reshape(classes * k, -1).T, precision=jax.lax.Precision.HIGHEST)
        scores_cck = of_all.reshape(classes, classes, k) / self.temperature
        pull = -jnp.diagonal(scores_cck, axis1=0, axis2=1).mean()
        own_cc = jnp.eye(classes, dtype=bool)
        push = jax.nn.logsumexp(self._negatives(scores_cck, own_cc), axis=(1, 2)).mean()
        return Loss(pull + push, {"pull": pull, "push": push})

    def _negatives(self, scores_cck: Array, own_cc: Array) -> Array:
        return scores_cck


@dataclass(frozen=True, kw_only=True)
class Nonl(Ntce):
    """NTCE without the images of the class itself among the negatives."""

    name = "nonl"
    summary = "learnt prototypes, each against the images of other classes of the batch"

    def _least(self, classes: int, k: int) -> float:
        return math.log((classes - 1) * k) - classes / (classes - 1) / self.temperature

    def _negatives(self, scores_cck: Array, own_cc: Array) -> Array:
        import jax.numpy as jnp

        return jnp.where(own_cc[:, :, None], -jnp.inf, scores_cck)


@dataclass(frozen=True, kw_only=True)
class FixedPrototypes(Objective):
    """Every image to the axis of its class; no parameters, nothing is pushed. D must be at least all classes."""

    name = "fixed_prototypes"
    summary = "every class to an axis of its own, chosen beforehand"
    allowed_labels = ("classes",)
    labels_cure = "Use --labels classes: an image alone is no class with an axis."

    def terms(self, classes: int, samples_per_class: int) -> dict[str, Term]:
        return {"total": Term("distance to the axis", floor=0.0)}

    def advice(self, batch: Batch) -> Iterable[Finding]:
        if batch.all_classes > batch.dimensions:
            why, cure = _too_many(batch.all_classes, batch.dimensions)
            yield Finding("error", "too-few-axes", why, cure)

    def init(self, key: Array, task: Task) -> Arrays:
        if task.classes > task.embedding_size:
            raise ConfigError(" ".join(_too_many(task.classes, task.embedding_size)))
        return {}

    def loss(self, params: Arrays, seen: Seen, task: Task) -> Loss:
        import jax.numpy as jnp

        z_ckd = raised(seen.embedding)
        own_ck = jnp.take_along_axis(z_ckd, seen.classes[:, None, None], axis=2)
        return Loss(1 - own_ck.mean(), {})


def _too_many(classes: int, dimensions: int) -> tuple[str, str]:
    return (
        f"{classes} classes cannot have an axis each in {dimensions} dimensions.",
        f"Use --embedding-size {classes} or more.",
    )


def drawn_prototypes(key: Array, task: Task) -> Array:
    """(a, D) float32, of independent directions and a length near 1."""
    import jax

    return jax.random.normal(key, (task.classes, task.embedding_size)) / math.sqrt(task.embedding_size)


def unit(rows_nd: Array) -> Array:
    """(n, D) rows of length 1; rows of zeros stay, and have a finite gradient."""
    import jax.numpy as jnp

    return rows_nd / jnp.sqrt(jnp.maximum(jnp.square(rows_nd).sum(axis=-1, keepdims=True), 1e-12))
