"""A square of each image is made grey."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from simo2_core.augmentations.augmentation import Augmentation
from simo2_core.settings import setting


@dataclass(frozen=True, kw_only=True)
class GreySquare(Augmentation):
    """DeVries & Taylor, arXiv 1708.04552."""

    summary = "a grey square"

    hole: int = setting(2, "side of the square in pixels; 0 cuts nothing")

    @property
    def active(self):
        return self.hole > 0

    def apply(self, key, images):
        n, height, width, _ = images.shape
        at = jax.random.randint(key, (n, 2), 0, jnp.asarray([height, width]))
        rows = jnp.abs(jnp.arange(height)[None, :] - at[:, :1]) < self.hole
        columns = jnp.abs(jnp.arange(width)[None, :] - at[:, 1:]) < self.hole
        return jnp.where((rows[:, :, None] & columns[:, None, :])[..., None], 0.5, images)
