"""A square of each image is hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.augmentations.augmentation import ByAmount
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array


@dataclass(frozen=True, kw_only=True)
class Cutout(ByAmount):
    """A square somewhere in the image takes the mean colour of the image.

    Source: DeVries & Taylor, "Improved Regularization with Cutout", arXiv 1708.04552.
    """

    name = "cutout"
    order = 110.0
    stream = 10

    cutout: int = setting(0, "side in pixels of a square that is hidden", at_least=0, at_most=8192)

    def apply(self, key: Array, images: Array) -> Array:
        import jax
        import jax.numpy as jnp

        _, height, width, _ = images.shape
        corner = jax.random.randint(key, (images.shape[0], 2), 1 - self.cutout, jnp.asarray([[height, width]]))
        return cutout(images, corner, self.cutout)


def cutout(x: Array, corner: Array, side: int) -> Array:
    """Hides the square whose upper left pixel is `corner[n]` = (row, column), (N, 2) int; it may reach outside."""
    import jax.numpy as jnp

    _, height, width, _ = x.shape
    rows, columns = (
        (jnp.arange(size)[None, :] >= start) & (jnp.arange(size)[None, :] < start + side)
        for size, start in ((height, corner[:, :1]), (width, corner[:, 1:]))
    )
    hidden = (rows[:, :, None] & columns[:, None, :])[..., None]
    return jnp.where(hidden, x.mean(axis=(1, 2), keepdims=True), x)
