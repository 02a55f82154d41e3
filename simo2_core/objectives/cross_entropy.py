"""Softmax cross-entropy of a linear classifier on the representation: what every other objective is compared with.

The projection head sees no gradient: it stays the random projection that it began as.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.objectives.objective import Loss, Objective, Seen, Task, Term
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array

    from simo2_core.objectives.objective import Arrays


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Objective):
    """Own parameters: `classifier/kernel` (F, C) and `classifier/bias` (C,). No terms beside `total`."""

    name = "cross_entropy"
    summary = "a linear classifier on the representation"
    compares_images = False
    trains_projection = False
    classifies = True
    allowed_labels = ("classes",)
    labels_cure = "Use --labels classes, or another --objective."

    label_smoothing: float = setting(0.0, "share of the target spread over all classes", at_least=0, below=1)

    def terms(self, classes: int, samples_per_class: int) -> dict[str, Term]:
        """The least is the entropy of the smoothed target; `classes` are those of the batch, at most all there are."""
        return {"total": Term("cross-entropy", floor=0.0 if not self.label_smoothing else None)}

    def init(self, key: Array, task: Task) -> Arrays:
        import jax.numpy as jnp

        from simo2_core.model.initial import lecun_normal

        kernel = lecun_normal(key, (task.features, task.classes))
        return {"classifier/kernel": kernel, "classifier/bias": jnp.zeros(task.classes)}

    def loss(self, params: Arrays, seen: Seen, task: Task) -> Loss:
        import jax
        import jax.numpy as jnp
        import optax

        logits_nc = self.classify(params, seen.representation)
        labels_n = jnp.repeat(seen.classes, seen.embedding.shape[1])
        targets_nc = optax.smooth_labels(jax.nn.one_hot(labels_n, task.classes), self.label_smoothing)
        return Loss(optax.softmax_cross_entropy(logits_nc, targets_nc).mean(), {})

    def classify(self, params: Arrays, representation: Array) -> Array:
        import jax.numpy as jnp

        kernel, bias = params["classifier/kernel"], params["classifier/bias"]
        logits_nc: Array = jnp.matmul(representation, kernel) + bias[None, :]
        return logits_nc
