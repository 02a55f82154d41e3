"""Images are mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.augmentations.augmentation import Augmentation, Drawn
from simo2_core.settings import require, setting

if TYPE_CHECKING:
    from jax import Array


@dataclass(frozen=True, kw_only=True)
class Flip(Augmentation):
    """Mirrors left to right with probability one half."""

    name = "flip"
    order = 30.0
    stream = 1

    flip: bool = setting(False, "mirror left to right with probability one half; never for digits and letters")
    alternate_flip: bool = setting(
        False, "with --flip, mirror an image every other time it comes instead of by chance; not with replacement"
    )

    def check(self) -> None:
        require(
            self.flip or not self.alternate_flip,
            "alternate_flip",
            self.alternate_flip,
            "false without flip",
            "Add --flip.",
        )

    @property
    def active(self) -> bool:
        return self.flip

    @property
    def told(self) -> str:
        return self.name

    def apply(self, key: Array, images: Array) -> Array:
        import jax

        return flip(images, jax.random.bernoulli(key, 0.5, images.shape[:1]))

    def apply_drawn(self, key: Array, images: Array, drawn: Drawn) -> Array:
        """Whether an image is mirrored the first time is a matter of its number alone, the same in every run.

        Source: Keller Jordan, arXiv 2404.00498, section 3.6.
        """
        if not self.alternate_flip:
            return self.apply(key, images)
        import numpy as np

        first = (drawn.rows.astype(np.uint32) * np.uint32(0x9E3779B1)) >> 16  # by the middle of a product: like chance
        return flip(images, (first.astype(np.int32) + drawn.passes) % 2 == 1)


def flip(x: Array, which: Array) -> Array:
    """Mirrors left to right the images for which `which`, (N,) bool, is true."""
    import jax.numpy as jnp

    return jnp.where(which[:, None, None, None], x[:, :, ::-1], x)
