"""A part of an image, enlarged to the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.augmentations.augmentation import Augmentation
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array


@dataclass(frozen=True, kw_only=True)
class Crop(Augmentation):
    """A random rectangle of at least so much of the area."""

    name = "crop"
    order = 20.0
    stream = 5

    crop: float = setting(
        1.0, "least share of the area that a random crop keeps, enlarged again; 1 crops nothing", above=0, at_most=1
    )

    @property
    def active(self) -> bool:
        return self.crop < 1

    @property
    def told(self) -> str:
        return f"crop {self.crop:g}"

    def apply(self, key: Array, images: Array) -> Array:
        return resized_crop(key, images, self.crop)


def resized_crop(key: Array, x: Array, least: float) -> Array:
    """Of each image a random rectangle, enlarged to the whole: `least` to 1 of the area, sides 3:4 to 4:3.

    Source: Szegedy et al., "Going Deeper with Convolutions", arXiv 1409.4842, section 6.
    """
    import jax
    import jax.numpy as jnp

    n, height, width, _ = x.shape
    area_key, ratio_key, place_key = jax.random.split(key, 3)
    area = jax.random.uniform(area_key, (n, 1), minval=least, maxval=1.0)
    ratio = jnp.exp(jax.random.uniform(ratio_key, (n, 1), minval=-math.log(4 / 3), maxval=math.log(4 / 3)))
    share = jnp.minimum(jnp.concatenate([jnp.sqrt(area / ratio), jnp.sqrt(area * ratio)], axis=1), 1)
    corner = jax.random.uniform(place_key, (n, 2)) * (1 - share) * jnp.asarray([[height, width]], jnp.float32)

    def enlarge(image: Array, share: Array, corner: Array) -> Array:
        scaled: Array = jax.image.scale_and_translate(
            image, image.shape, (0, 1), 1 / share, -corner / share, method="linear", antialias=False
        )
        return scaled

    cropped: Array = jax.vmap(enlarge)(x, share, corner)
    return cropped
