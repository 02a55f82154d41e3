"""The hue is turned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.augmentations.augmentation import LUMA, ByAmount, each
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array


@dataclass(frozen=True, kw_only=True)
class Hue(ByAmount):
    """Rotates the chroma plane of YIQ."""

    name = "hue"
    order = 70.0
    stream = 6
    colour_only = True

    hue: float = setting(0.0, "largest turn of the hue, as a share of the circle (RGB only)", at_least=0, at_most=0.5)

    def apply(self, key: Array, images: Array) -> Array:
        return hue(images, each(key, images, -self.hue, self.hue))


_YIQ = (LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
"""Luma and two axes of chroma of an RGB pixel, NTSC 1953."""


def hue(x: Array, turn: Array) -> Array:
    """Turns the hue of RGB pixels by `turn` (N, 1, 1, 1) of the circle: the chroma plane of YIQ is rotated."""
    import jax.numpy as jnp

    to_yiq = jnp.asarray(_YIQ)
    yiq = jnp.einsum("nhwc,dc->nhwd", x, to_yiq)
    angle = 2 * math.pi * turn[..., 0]
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    y, i, q = yiq[..., 0], yiq[..., 1], yiq[..., 2]
    turned = jnp.stack([y, cosine * i - sine * q, sine * i + cosine * q], axis=-1)
    return jnp.einsum("nhwd,cd->nhwc", turned, jnp.linalg.inv(to_yiq))
