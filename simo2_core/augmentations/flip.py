"""Images are mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.augmentations.augmentation import Augmentation
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array


@dataclass(frozen=True, kw_only=True)
class Flip(Augmentation):
    """Mirrors left to right with probability one half."""

    name = "flip"
    order = 30.0
    stream = 1

    flip: bool = setting(False, "mirror left to right with probability one half; never for digits and letters")

    @property
    def active(self) -> bool:
        return self.flip

    @property
    def told(self) -> str:
        return self.name

    def apply(self, key: Array, images: Array) -> Array:
        import jax

        return flip(images, jax.random.bernoulli(key, 0.5, images.shape[:1]))


def flip(x: Array, which: Array) -> Array:
    """Mirrors left to right the images for which `which`, (N,) bool, is true."""
    import jax.numpy as jnp

    return jnp.where(which[:, None, None, None], x[:, :, ::-1], x)
