"""From a representation back to an image: the mirror of `YatEncoder`.

Shape letters: n images, h×w map of c channels; f features.
"""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jax import Array

from simo2_core.model.conv import Conv
from simo2_core.model.initial import lecun_normal
from simo2_core.model.yat import YatConv


class YatConvTranspose(nnx.Module):
    """A YAT convolution of stride 1/2: over the map with a zero between every two pixels, 3×3."""

    def __init__(self, in_features: int, out_features: int, *, rngs: nnx.Rngs) -> None:
        self.yat = YatConv(in_features, out_features, 3, rngs=rngs)

    def __call__(self, x_nhwc: Array) -> Array:
        """(n, h, w, in_features) to (n, 2h, 2w, out_features), float32."""
        n, h, w, c = x_nhwc.shape
        spread = jnp.pad(x_nhwc[:, :, None, :, None, :], ((0, 0), (0, 0), (0, 1), (0, 0), (0, 1), (0, 0)))
        y_nhwc: Array = self.yat(spread.reshape(n, 2 * h, 2 * w, c))
        return y_nhwc


class Decoder(nnx.Module):
    """Linear → a map as small as the encoder's last → one doubling for each halving → linear conv 3×3 → image.

    A doubling is `YatConvTranspose` → linear conv 3×3, beside a linear 1×1 shortcut of repeated pixels: without it a
    small signal is squared away by every YAT product.
    """

    def __init__(
        self, features: int, widths: tuple[int, ...], image_shape: tuple[int, int, int], *, rngs: nnx.Rngs
    ) -> None:
        height, width, channels = image_shape
        self.sizes = [(height, width)]
        for _ in widths[1:]:
            height, width = -(-height // 2), -(-width // 2)
            self.sizes.append((height, width))
        self.sizes.reverse()
        self.widths = widths[::-1]
        self.start = nnx.Linear(features, height * width * widths[-1], kernel_init=lecun_normal, rngs=rngs)
        for index, (wide, narrow) in enumerate(zip(self.widths, self.widths[1:], strict=False)):
            setattr(self, f"up{index}", YatConvTranspose(wide, narrow, rngs=rngs))
            setattr(self, f"conv{index}", Conv(narrow, narrow, 3, rngs=rngs))
            setattr(self, f"shortcut{index}", Conv(wide, narrow, 1, use_bias=False, rngs=rngs))
        self.last = Conv(self.widths[-1], channels, 3, rngs=rngs)

    def __call__(self, h_nf: Array) -> Array:
        """(n, features) to (n, height, width, channels), normalised, float32."""
        x_nhwc = self.start(h_nf).reshape(len(h_nf), *self.sizes[0], self.widths[0])
        for index, (height, width) in enumerate(self.sizes[1:]):
            y_nhwc = getattr(self, f"conv{index}")(getattr(self, f"up{index}")(x_nhwc)[:, :height, :width])
            straight = getattr(self, f"shortcut{index}")(x_nhwc)
            x_nhwc = y_nhwc + straight.repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width]
        image: Array = self.last(x_nhwc)
        return image
