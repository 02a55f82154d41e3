"""Images lose their colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.augmentations.augmentation import ByAmount
from simo2_core.augmentations.saturation import saturation
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array


@dataclass(frozen=True, kw_only=True)
class Greyscale(ByAmount):
    """Some images become grey."""

    name = "greyscale"
    order = 110.0
    stream = 7
    colour_only = True

    greyscale: float = setting(0.0, "probability that an image loses its colour (RGB only)", at_least=0, at_most=1)

    def apply(self, key: Array, images: Array) -> Array:
        import jax
        import jax.numpy as jnp

        lost = jax.random.bernoulli(key, self.greyscale, (images.shape[0], 1, 1, 1))
        return saturation(images, jnp.where(lost, 0.0, 1.0))
