"""A sigmoid for every pair: whether two images are of one class, by their cosine, with a learnt slope and threshold.

    L = −1/n Σ_i Σ_{j ≠ i} log σ(y_ij (t z_i·z_j + b)),   y_ij = 1 for one class and −1 for two

t = e^{t'} and b are learnt. Sources: Zhai et al., "Sigmoid Loss for Language Image Pre-Training", arXiv 2303.15343,
section 3.2, from where its first values t = 10 and b = −10 are; with pairs of classes as in Wang and Dornaika,
"SCS-SupCon", arXiv 2512.17954, whose terms of style it leaves out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.dtypes import raised
from simo2_core.objectives.objective import Loss, Objective, Seen, Task, Term
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array

    from simo2_core.objectives.objective import Arrays

_ROWS = 1024
"""Images whose cosines with all the batch are held at once."""


@dataclass(frozen=True, kw_only=True)
class Sigmoid(Objective):
    """Own parameters: `log_slope` () and `threshold` (). Terms, which add up: `pull` and `push`."""

    name = "sigmoid"
    summary = "a sigmoid for every pair, with learnt slope and threshold"

    first_slope: float = setting(10.0, "t at first, what cosines are multiplied with", above=0, at_most=1e4)
    first_threshold: float = setting(-10.0, "b at first, what is added to them", at_least=-1e4, at_most=1e4)

    def terms(self, classes: int, samples_per_class: int) -> dict[str, Term]:
        """A steep enough slope costs nothing where the classes are apart."""
        return {
            "total": Term("total", floor=0.0),
            "pull": Term("same class", floor=0.0),
            "push": Term("different classes", floor=0.0),
        }

    def init(self, key: Array, task: Task) -> Arrays:
        import jax.numpy as jnp

        return {
            "log_slope": jnp.asarray(math.log(self.first_slope), jnp.float32),
            "threshold": jnp.asarray(self.first_threshold, jnp.float32),
        }

    def loss(self, params: Arrays, seen: Seen, task: Task) -> Loss:
        import jax.numpy as jnp

        pull, push = sigmoid_loss(seen.embedding, jnp.exp(params["log_slope"]), params["threshold"])
        return Loss(pull + push, {"pull": pull, "push": push})


def sigmoid_loss(embeddings: Array, slope: Array, threshold: Array) -> tuple[Array, Array]:
    """What pairs of one class and of two cost, of (C, k, D) unit embeddings: float32 scalars."""
    import jax
    import jax.numpy as jnp

    classes, k, dims = embeddings.shape
    z_nd = raised(embeddings).reshape(-1, dims)
    labels_n = jnp.repeat(jnp.arange(classes), k)

    @jax.checkpoint  # a row of cosines is cheaper made twice than kept for the backward pass
    def of_image(image: Array) -> Array:
        cosines_n = jnp.matmul(z_nd, z_nd[image], precision=jax.lax.Precision.HIGHEST)
        scores_n = slope * cosines_n + threshold
        same_n = labels_n == labels_n[image]
        positive_n = same_n & (jnp.arange(len(z_nd)) != image)
        pull = jnp.where(positive_n, jax.nn.softplus(-scores_n), 0).sum()
        return jnp.stack([pull, jnp.where(same_n, 0, jax.nn.softplus(scores_n)).sum()])

    both_n2: Array = jax.lax.map(of_image, jnp.arange(len(z_nd)), batch_size=min(_ROWS, len(z_nd)))
    pull, push = both_n2.mean(axis=0)
    return pull, push
