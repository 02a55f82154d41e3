"""Contrast is scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.augmentations.augmentation import ByAmount, each
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array


@dataclass(frozen=True, kw_only=True)
class Contrast(ByAmount):
    """Scales an image about its own mean."""

    name = "contrast"
    order = 50.0
    stream = 3

    contrast: float = setting(0.2, "contrast is scaled by 1 ± at most this", at_least=0, at_most=1)

    def apply(self, key: Array, images: Array) -> Array:
        return contrast(images, each(key, images, 1 - self.contrast, 1 + self.contrast))


def contrast(x: Array, factor: Array) -> Array:
    """Scales each image about its own mean, per channel, by `factor` (N, 1, 1, 1)."""
    middle = x.mean(axis=(1, 2), keepdims=True)
    return middle + factor * (x - middle)
