"""Encoders: images in, one pooled vector of features each out.

Shape letters: n images, h×w map of c channels; f features.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import DTypeLike

from simo2_core.model.conv import Conv
from simo2_core.model.yat import YatConv


class PlainConv(Conv):
    """A linear convolution and ReLU: what a YatConv is compared with."""

    def __call__(self, x_nhwc: Array) -> Array:
        """(n, h, w, in_features) to (n, p, q, out_features), not negative, float32."""
        return jax.nn.relu(super().__call__(x_nhwc))


class YatBlock(nnx.Module):
    """YatConv 3×3, or its plain twin, → linear conv 3×3, beside a linear 1×1 shortcut; then dropout."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        dropout: float,
        *,
        layer: type[YatConv] | type[PlainConv] = YatConv,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.yat = layer(in_features, out_features, 3, dtype=dtype, rngs=rngs)
        self.conv = Conv(out_features, out_features, 3, dtype=dtype, rngs=rngs)
        self.shortcut = Conv(in_features, out_features, 1, use_bias=False, dtype=dtype, rngs=rngs)
        self.dropout = dropout

    def __call__(self, x_nhwc: Array, *, dropout_draws: Array | None = None) -> Array:
        """(n, h, w, in_features) to (n, h, w, out_features), less what `dropout_draws` of that shape drop."""
        y_nhwc = self.conv(self.yat(x_nhwc)) + self.shortcut(x_nhwc)
        return y_nhwc if dropout_draws is None else drop(dropout_draws, y_nhwc, self.dropout)


class YatEncoder(nnx.Module):
    """A 3×3 YatConv stem and one `YatBlock` per width, halving the map after every block but the last.

    A map of one pixel stays; of an odd map the last row or column, without a partner, is averaged alone.
    """

    def __init__(
        self,
        in_channels: int,
        stem_width: int,
        widths: tuple[int, ...],
        dropout: float,
        *,
        layer: type[YatConv] | type[PlainConv] = YatConv,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        """`layer` is `YatConv`; `PlainConv` makes the twin of the same shape with plain convolutions and ReLU."""
        self.stem = layer(in_channels, stem_width, 3, dtype=dtype, rngs=rngs)
        self.widths = widths
        self.dropout = dropout
        for index, (narrow, wide) in enumerate(zip((stem_width, *widths), widths, strict=False)):
            setattr(self, f"block{index}", YatBlock(narrow, wide, dropout, layer=layer, dtype=dtype, rngs=rngs))

    def __call__(self, x_nhwc: Array, *, dropout_keys: Array | None = None) -> Array:
        """Normalised images (n, h, w, in_channels) to representations (n, widths[-1]), float32.

        With `dropout_keys`, (n,) typed keys, features are dropped. An image has a key of its own, so it does not
        matter which others it is embedded with. Without them nothing is dropped.
        """
        draws: list[Array | None] = [None] * len(self.widths)
        if dropout_keys is not None and self.dropout:
            draws = [*self._draw(dropout_keys, *x_nhwc.shape[1:3])]
        x_nhwc = self.stem(x_nhwc)
        for index, drawn in enumerate(draws):
            x_nhwc = getattr(self, f"block{index}")(x_nhwc, dropout_draws=drawn)
            if index < len(draws) - 1:
                x_nhwc = average_pool(x_nhwc)
        return x_nhwc.mean(axis=(1, 2))

    def _draw(self, keys: Array, height: int, width: int) -> Iterator[Array]:
        """For the output of each block, draws of its shape.

        They are drawn all at once, two of 16 bits from each word: XLA compiles a random draw anew for each shape, which
        for the four blocks of the digits preset takes 5.0 s instead of 0.5, and half the words take half the time.
        """
        shapes = []
        for channels in self.widths:
            shapes.append((height, width, channels))
            height, width = -(-height // 2), -(-width // 2)
        features = sum(math.prod(shape) for shape in shapes)
        words = jax.vmap(lambda key: jax.random.bits(key, (-(-features // 2),), jnp.uint32))(keys)
        every = jnp.concatenate([words & 0xFFFF, words >> 16], axis=1)
        start = 0
        for shape in shapes:
            size = math.prod(shape)
            yield every[:, start : start + size].reshape(-1, *shape)
            start += size


def drop(draws: Array, x: Array, rate: float) -> Array:
    """Sets to zero where `draws`, uniform below 2^16, fall into the lower `rate` of their range; scales up the rest."""
    dropped = round(rate * 2**16)
    return jnp.where(draws < dropped, 0, x * (1 / (1 - dropped / 2**16)))


def average_pool(x_nhwc: Array) -> Array:
    """Averages 2×2 windows; those that reach over the edge average what they hold."""
    n, h, w, c = x_nhwc.shape
    if h == w == 1:
        return x_nhwc
    for axis, side in ((1, h), (2, w)):
        if side % 2:
            last = jax.lax.slice_in_dim(x_nhwc, side - 1, side, axis=axis)
            x_nhwc = jnp.concatenate([x_nhwc, last], axis=axis)
    return x_nhwc.reshape(n, -(-h // 2), 2, -(-w // 2), 2, c).mean(axis=(2, 4))
