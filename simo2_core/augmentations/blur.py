"""Images are blurred."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.augmentations.augmentation import ByAmount
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array


@dataclass(frozen=True, kw_only=True)
class Blur(ByAmount):
    """A Gaussian of up to a fiftieth of the height."""

    name = "blur"
    order = 120.0
    stream = 8

    blur: float = setting(
        0.0,
        "probability that an image is blurred, by a Gaussian of up to a fiftieth of its height",
        at_least=0,
        at_most=1,
    )

    def apply(self, key: Array, images: Array) -> Array:
        import jax
        import jax.numpy as jnp

        which_key, much_key = jax.random.split(key)
        most = max(0.5, images.shape[1] / 50)
        sigma = jax.random.uniform(much_key, images.shape[:1], minval=0.1, maxval=most)
        blurred = jax.random.bernoulli(which_key, self.blur, (images.shape[0], 1, 1, 1))
        return jnp.where(blurred, blur(images, sigma, radius=math.ceil(2 * most)), images)


def blur(x: Array, sigma: Array, *, radius: int) -> Array:
    """Convolves each image with a Gaussian of standard deviation `sigma` (N,) pixels, cut at `radius`; edges repeat."""
    import jax
    import jax.numpy as jnp

    at = jnp.arange(-radius, radius + 1)
    weights = jnp.exp(-jnp.square(at)[None, :] / (2 * jnp.square(sigma)[:, None]))
    weights = (weights / weights.sum(axis=1, keepdims=True))[:, :, None, None, None]
    for axis in (1, 2):
        size = x.shape[axis]
        padding = [(0, 0)] * x.ndim
        padding[axis] = (radius, radius)
        padded = jnp.pad(x, padding, mode="edge")
        taps = [jax.lax.slice_in_dim(padded, tap, tap + size, axis=axis) for tap in range(2 * radius + 1)]
        x = sum((weights[:, tap] * moved for tap, moved in enumerate(taps)), jnp.zeros_like(x))
    return x
