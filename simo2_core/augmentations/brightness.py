"""Brightness is shifted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.augmentations.augmentation import ByAmount, each
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array


@dataclass(frozen=True, kw_only=True)
class Brightness(ByAmount):
    """Adds one number to all pixels of an image."""

    name = "brightness"
    order = 40.0
    stream = 2

    brightness: float = setting(0.2, "largest shift of brightness, as a share of full scale", at_least=0, at_most=1)

    def apply(self, key: Array, images: Array) -> Array:
        return images + each(key, images, -self.brightness, self.brightness)
