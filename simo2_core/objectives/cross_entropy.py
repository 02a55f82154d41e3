"""Softmax cross-entropy of a linear classifier on the representation: what every other objective is compared with.

The projection head sees no gradient: it stays the random projection that it began as.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.objectives.mixing import CUTMIX, MIXUP, NONE, averaged, draw_mix, mixed
from simo2_core.objectives.objective import Loss, Objective, Seen, Task, Term
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array

    from simo2_core.objectives.objective import Arrays


@dataclass(frozen=True, kw_only=True)
class LinearClassifier(Objective):
    """What objectives with a linear classifier have in common.

    Own parameters: `classifier/kernel` (F, C) and `classifier/bias` (C,).
    """

    compares_images = False
    trains_projection = False
    classifies = True
    allowed_labels = ("classes",)
    labels_cure = "Use --labels classes, or another --objective."

    label_smoothing: float = setting(0.0, "share of the target spread over all classes", at_least=0, below=1)

    def init(self, key: Array, task: Task) -> Arrays:
        import jax.numpy as jnp

        from simo2_core.model.initial import lecun_normal

        kernel = lecun_normal(key, (task.features, task.classes))
        return {"classifier/kernel": kernel, "classifier/bias": jnp.zeros(task.classes)}

    def targets(self, seen: Seen, task: Task) -> Array:
        """(N, C) what the classifier should say of each image."""
        import jax
        import jax.numpy as jnp
        import optax

        labels_n = jnp.repeat(seen.classes, seen.embedding.shape[1])
        targets_nc: Array = optax.smooth_labels(jax.nn.one_hot(labels_n, task.classes), self.label_smoothing)
        return targets_nc

    def loss(self, params: Arrays, seen: Seen, task: Task) -> Loss:
        import optax

        logits_nc = self.classify(params, seen.representation)
        return Loss(optax.softmax_cross_entropy(logits_nc, self.targets(seen, task)).mean(), {})

    def classify(self, params: Arrays, representation: Array) -> Array:
        import jax.numpy as jnp

        kernel, bias = params["classifier/kernel"], params["classifier/bias"]
        logits_nc: Array = jnp.matmul(representation, kernel) + bias[None, :]
        return logits_nc


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(LinearClassifier):
    """No terms beside `total`."""

    name = "cross_entropy"
    summary = "a linear classifier on the representation"

    mixing: str = setting(
        NONE,
        "show the encoder two images of the batch as one, with both classes as the target: mixup blends them, cutmix "
        "pastes a rectangle",
        choices=(NONE, MIXUP, CUTMIX),
    )
    mixing_alpha: float = setting(
        1.0, "α of Beta(α, α), from which the share of each image is drawn: 1 for evenly", above=0, at_most=100
    )

    def terms(self, classes: int, samples_per_class: int) -> dict[str, Term]:
        """The least is the entropy of the target, of more classes than one where it is smoothed or mixed."""
        sharp = not self.label_smoothing and self.mixing == NONE
        return {"total": Term("cross-entropy", floor=0.0 if sharp else None)}

    def view(self, key: Array, images: Array) -> Array:
        """What the encoder is shown; `targets` draws the same again."""
        if self.mixing == NONE:
            return images
        return mixed(images, draw_mix(key, images.shape, self.mixing, self.mixing_alpha))

    def targets(self, seen: Seen, task: Task) -> Array:
        targets_nc = super().targets(seen, task)
        if self.mixing == NONE or seen.key is None:
            return targets_nc
        return averaged(targets_nc, draw_mix(seen.key, seen.images.shape, self.mixing, self.mixing_alpha))
