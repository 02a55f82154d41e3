"""Encoders: images in, one pooled vector of features each out.

Shape letters: n images, h×w map of c channels; f features.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import DTypeLike

from simo2_core.model.conv import Conv
from simo2_core.model.yat import YatConv


class YatBlock(nnx.Module):
    """YatConv 3×3 → linear conv 3×3, beside a linear 1×1 shortcut; then dropout."""

    def __init__(
        self, in_features: int, out_features: int, dropout: float, *, dtype: DTypeLike | None = None, rngs: nnx.Rngs
    ) -> None:
        self.yat = YatConv(in_features, out_features, 3, dtype=dtype, rngs=rngs)
        self.conv = Conv(out_features, out_features, 3, dtype=dtype, rngs=rngs)
        self.shortcut = Conv(in_features, out_features, 1, use_bias=False, dtype=dtype, rngs=rngs)
        self.dropout = dropout

    def __call__(self, x_nhwc: Array, *, dropout_key: Array | None = None) -> Array:
        """(n, h, w, in_features) to (n, h, w, out_features)."""
        y_nhwc = self.conv(self.yat(x_nhwc)) + self.shortcut(x_nhwc)
        return y_nhwc if dropout_key is None else drop(dropout_key, y_nhwc, self.dropout)


class YatCNN(nnx.Module):
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
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.stem = YatConv(in_channels, stem_width, 3, dtype=dtype, rngs=rngs)
        self.blocks = len(widths)
        for index, (narrow, wide) in enumerate(zip((stem_width, *widths), widths, strict=False)):
            setattr(self, f"block{index}", YatBlock(narrow, wide, dropout, dtype=dtype, rngs=rngs))

    def __call__(self, x_nhwc: Array, *, dropout_key: Array | None = None) -> Array:
        """Normalised images (n, h, w, in_channels) to representations (n, widths[-1]), float32.

        Without `dropout_key` nothing is dropped.
        """
        x_nhwc = self.stem(x_nhwc)
        for index in range(self.blocks):
            key = None if dropout_key is None else jax.random.fold_in(dropout_key, index)
            x_nhwc = getattr(self, f"block{index}")(x_nhwc, dropout_key=key)
            if index < self.blocks - 1:
                x_nhwc = average_pool(x_nhwc)
        return x_nhwc.mean(axis=(1, 2))


def drop(key: Array, x: Array, rate: float) -> Array:
    if rate == 0:
        return x
    return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)


def average_pool(x_nhwc: Array) -> Array:
    """Averages 2×2 windows; those that reach over the edge average what they hold."""
    n, h, w, c = x_nhwc.shape
    if h == w == 1:
        return x_nhwc
    if h % 2 or w % 2:
        x_nhwc = jnp.pad(x_nhwc, ((0, 0), (0, h % 2), (0, w % 2), (0, 0)), mode="edge")
    return x_nhwc.reshape(n, -(-h // 2), 2, -(-w // 2), 2, c).mean(axis=(2, 4))
