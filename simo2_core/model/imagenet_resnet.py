"""ResNets as they are trained on ImageNet: a 7×7 stem with stride 2, max pooling, four stages.

Source: He et al., "Deep Residual Learning", arXiv 1512.03385; the stride of a bottleneck is in its 3×3 convolution, as
torchvision and timm have it ("v1.5"). `simo2_core.model.resnet` has the network for small images.

Shape letters: n images, h×w map of c channels; f features.
"""

from __future__ import annotations

import jax
from flax import nnx
from jax import Array
from jax.typing import DTypeLike

from simo2_core.dtypes import raised
from simo2_core.model.conv import Conv
from simo2_core.model.layers import EvenConv, max_pool
from simo2_core.model.resnet import Norm

EXPANSION = 4
"""Channels that a bottleneck gives for each that its 3×3 convolution has."""


class ResidualBlock(nnx.Module):
    """Convolutions with batch norm beside a shortcut, which is 1×1 where the shape changes; then ReLU.

    Basic: 3×3, 3×3. Bottleneck: 1×1, 3×3, 1×1, the last of `EXPANSION` times the width.
    """

    def __init__(
        self, narrow: int, width: int, strides: int, *, bottleneck: bool, dtype: DTypeLike | None, rngs: nnx.Rngs
    ) -> None:
        wide = width * EXPANSION if bottleneck else width
        # kernel, channels in, channels out, strides
        plan = [(1, narrow, width, 1), (3, width, width, strides), (1, width, wide, 1)]
        plan = plan if bottleneck else [(3, narrow, width, strides), (3, width, width, 1)]
        self.count = len(plan)
        for index, (size, before, after, step) in enumerate(plan, 1):
            conv = EvenConv(before, after, size, strides=step, use_bias=False, rounded=True, dtype=dtype, rngs=rngs)
            setattr(self, f"conv{index}", conv)
            setattr(self, f"norm{index}", Norm(after, "batch", rngs=rngs))
        changes = strides != 1 or narrow != wide
        self.shortcut = (
            Conv(narrow, wide, 1, strides=strides, use_bias=False, rounded=True, dtype=dtype, rngs=rngs)
            if changes
            else None
        )
        self.shortcut_norm = Norm(wide, "batch", rngs=rngs) if changes else None

    def __call__(self, x_nhwc: Array, *, train: bool) -> Array:
        y_nhwc = x_nhwc
        for index in range(1, self.count + 1):
            y_nhwc = getattr(self, f"norm{index}")(
                getattr(self, f"conv{index}")(y_nhwc), train=train, activation="relu" if index < self.count else None
            )
        if self.shortcut is not None and self.shortcut_norm is not None:
            x_nhwc = self.shortcut_norm(self.shortcut(x_nhwc), train=train)
        return jax.nn.relu(x_nhwc + y_nhwc)


class ImageNetResNetEncoder(nnx.Module):
    """Blocks by stage, the first of each stage but the first with stride 2."""

    def __init__(
        self,
        in_channels: int,
        stem: int,
        widths: tuple[int, ...],
        depths: tuple[int, ...],
        *,
        bottleneck: bool,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.stem = EvenConv(in_channels, stem, 7, strides=2, use_bias=False, rounded=True, dtype=dtype, rngs=rngs)
        self.norm = Norm(stem, "batch", rngs=rngs)
        self.count = sum(depths)
        narrow, index = stem, 0
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for place in range(depth):
                strides = 2 if stage and not place else 1
                block = ResidualBlock(narrow, width, strides, bottleneck=bottleneck, dtype=dtype, rngs=rngs)
                setattr(self, f"block{index}", block)
                narrow, index = width * EXPANSION if bottleneck else width, index + 1

    def __call__(self, x_nhwc: Array, *, dropout_keys: Array | None = None) -> Array:
        """Normalised images (n, h, w, in_channels) to representations (n, f), float32.

        Keys say that this is a training pass: batch norm takes the statistics of the batch. Nothing is dropped.
        """
        train = dropout_keys is not None
        x_nhwc = max_pool(self.norm(self.stem(x_nhwc), train=train, activation="relu"))
        for index in range(self.count):
            x_nhwc = getattr(self, f"block{index}")(x_nhwc, train=train)
        return raised(x_nhwc).mean(axis=(1, 2))
