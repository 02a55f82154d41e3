"""Saturation is scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.augmentations.augmentation import LUMA, ByAmount, each
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array


@dataclass(frozen=True, kw_only=True)
class Saturation(ByAmount):
    """Scales the distance of pixels from their grey."""

    name = "saturation"
    order = 60.0
    stream = 4
    colour_only = True

    saturation: float = setting(0.2, "saturation is scaled by 1 ± at most this (RGB only)", at_least=0, at_most=1)

    def apply(self, key: Array, images: Array) -> Array:
        return saturation(images, each(key, images, 1 - self.saturation, 1 + self.saturation))


def saturation(x: Array, factor: Array) -> Array:
    """Scales the distance of RGB pixels from their grey by `factor` (N, 1, 1, 1): 0 is grey, 1 leaves them."""
    import jax.numpy as jnp

    grey = (x * jnp.asarray(LUMA)[None, None, None, :]).sum(axis=-1, keepdims=True)
    return grey + factor * (x - grey)
