"""What an augmentation is: a random change to every image of a batch, drawn on the device."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from simo2_core.parts import Part

if TYPE_CHECKING:
    from jax import Array


class Drawn(NamedTuple):
    """Which images a batch holds."""

    rows: Array
    """(N,) int32, a number that an image keeps for the whole run."""
    passes: Array
    """(N,) int32, how often each came before; 0 where images are drawn with replacement, and nobody counts."""


CLIPPED = 100.0
"""Values are clipped to [0, 1] before the first augmentation whose `order` is this or more."""

LUMA = (0.299, 0.587, 0.114)
"""Grey of an RGB pixel, ITU-R BT.601."""


class Augmentation(Part):
    """The base of all augmentations, which run one after another by `order`."""

    order: ClassVar[float] = 200.0
    """Its place among the others; those below `CLIPPED` may leave [0, 1] for the next one to come back from."""
    stream: ClassVar[int | None] = None
    """Which random stream it draws from; None for one that follows from its name."""
    on_bytes: ClassVar[bool] = False
    """Whether it is given uint8 images, which move a quarter of the memory: for one that only moves pixels."""
    colour_only: ClassVar[bool] = False
    """Whether it is left out for images of one channel."""

    @property
    def active(self) -> bool:
        """Whether it does anything: one that does not costs nothing."""
        return True

    @property
    def told(self) -> str:
        """What it does, for a caption: `crop 0.2`."""
        return self.name

    def apply(self, key: Array, images: Array) -> Array:
        """(N, H, W, ch) float32 in [0, 1], or uint8 where it works `on_bytes`, to the same; every image with draws of
        its own from the typed `key`."""
        raise NotImplementedError

    def apply_drawn(self, key: Array, images: Array, drawn: Drawn) -> Array:
        """What `apply` does, for one that also minds which images they are, and how often each came before."""
        return self.apply(key, images)

    def key(self, key: Array) -> Array:
        """The key of its own draws, of that of the step."""
        import jax

        if self.stream is None:
            return jax.random.fold_in(key, zlib.crc32(self.name.encode()) | 1 << 31)
        if self.stream < FIRST_STREAMS:
            return jax.random.split(key, FIRST_STREAMS)[self.stream]
        return jax.random.fold_in(key, self.stream)


class ByAmount(Augmentation):
    """The base of those with one setting, an amount that is called as they are: 0 does nothing."""

    @property
    def amount(self) -> float:
        """The setting."""
        return float(getattr(self, self.name))

    @property
    def active(self) -> bool:
        return self.amount > 0

    @property
    def told(self) -> str:
        return f"{self.name} {self.amount:g}"


FIRST_STREAMS = 5
"""Streams below this are those of one split: they were there first, and a run's draws never change."""


def each(key: Array, images: Array, low: float, high: float) -> Array:
    """(N, 1, 1, 1) uniform draws, one for each image."""
    import jax

    return jax.random.uniform(key, (images.shape[0], 1, 1, 1), minval=low, maxval=high)
