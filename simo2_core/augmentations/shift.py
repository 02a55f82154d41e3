"""Images are moved by whole pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.augmentations.augmentation import ByAmount
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array


@dataclass(frozen=True, kw_only=True)
class Shift(ByAmount):
    """Moves an image, its edges repeated into what comes free."""

    name = "shift"
    order = 10.0
    stream = 0
    on_bytes = True

    shift: int = setting(0, "largest shift in pixels, in each direction, edges repeated", at_least=0, at_most=8192)

    def apply(self, key: Array, images: Array) -> Array:
        import jax

        return shift(images, jax.random.randint(key, (images.shape[0], 2), -self.shift, self.shift + 1))


def shift(images: Array, by: Array) -> Array:
    """Moves image n by `by[n]` = (down, right) pixels, (N, 2) int; the edge is repeated into what comes free."""
    import jax.numpy as jnp

    _, height, width, _ = images.shape
    rows = jnp.clip(jnp.arange(height)[None, :] - by[:, :1], 0, height - 1)
    columns = jnp.clip(jnp.arange(width)[None, :] - by[:, 1:], 0, width - 1)
    images = jnp.take_along_axis(images, rows[:, :, None, None], axis=1)
    return jnp.take_along_axis(images, columns[:, None, :, None], axis=2)
