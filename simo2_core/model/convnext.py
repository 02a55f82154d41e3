"""ConvNeXt: a depthwise 7×7 convolution and an MLP in each block, layer norm between, patches of 4×4 in the stem.

Source: Liu et al., "A ConvNet for the 2020s", arXiv 2201.03545.

Shape letters: n images, h×w map of c channels; f features.
"""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import DTypeLike

from simo2_core.model.conv import Conv
from simo2_core.model.layers import DepthwiseConv, LayerNorm, Mlp, scaled

EPSILON = 1e-6
PATCH = 4
"""Pixels of a side that the stem takes together."""
FIRST_SCALE = 1e-6
"""What LayerScale begins as."""


class ConvNeXtBlock(nnx.Module):
    """Depthwise 7×7 → norm → MLP → scale, beside the identity; the first of a later stage halves the map before it."""

    def __init__(self, narrow: int, width: int, *, dtype: DTypeLike | None, rngs: nnx.Rngs) -> None:
        halves = narrow != width
        self.down_norm = LayerNorm(narrow, EPSILON, rngs=rngs) if halves else None
        self.down = Conv(narrow, width, 2, strides=2, padding="VALID", dtype=dtype, rngs=rngs) if halves else None
        self.conv = DepthwiseConv(width, 7, dtype=dtype, rngs=rngs)
        self.norm = LayerNorm(width, EPSILON, rngs=rngs)
        self.mlp = Mlp(width, 4 * width, dtype=dtype, rngs=rngs)
        self.scale = nnx.Param(jnp.full((width,), FIRST_SCALE, jnp.float32))

    def __call__(self, x_nhwc: Array) -> Array:
        if self.down is not None and self.down_norm is not None:
            x_nhwc = self.down(self.down_norm(x_nhwc))
        return x_nhwc + scaled(self.mlp(self.norm(self.conv(x_nhwc))), self.scale)


class ConvNeXtEncoder(nnx.Module):
    """Blocks by stage, and a layer norm of the pooled features."""

    def __init__(
        self,
        in_channels: int,
        widths: tuple[int, ...],
        depths: tuple[int, ...],
        *,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        """`widths` differ from one stage to the next."""
        self.stem = Conv(in_channels, widths[0], PATCH, strides=PATCH, padding="VALID", dtype=dtype, rngs=rngs)
        self.norm = LayerNorm(widths[0], EPSILON, rngs=rngs)
        self.count = sum(depths)
        each = [width for width, depth in zip(widths, depths, strict=True) for _ in range(depth)]
        for index, (narrow, width) in enumerate(zip((widths[0], *each), each, strict=False)):
            setattr(self, f"block{index}", ConvNeXtBlock(narrow, width, dtype=dtype, rngs=rngs))
        self.final_norm = LayerNorm(widths[-1], EPSILON, rngs=rngs)

    def __call__(self, x_nhwc: Array, *, dropout_keys: Array | None = None) -> Array:
        """Normalised images (n, h, w, in_channels) to representations (n, f), float32. Nothing is dropped."""
        x_nhwc = self.norm(self.stem(x_nhwc))
        for index in range(self.count):
            x_nhwc = getattr(self, f"block{index}")(x_nhwc)
        return self.final_norm(x_nhwc.mean(axis=(1, 2)))
