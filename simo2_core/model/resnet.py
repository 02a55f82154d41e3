"""ResNet-18 with the stem for small images: what others report their numbers with.

A 3×3 stem without pooling, four stages of two basic blocks, the first block of each stage but the first with stride 2.
Source: He et al., "Deep Residual Learning", arXiv 1512.03385, with the stem of its CIFAR networks.

Shape letters: n images, h×w map of c channels; f features.
"""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx
from jax import Array
from jax.typing import DTypeLike

from simo2_core.dtypes import raised
from simo2_core.model.conv import Conv
from simo2_core.model.norm import normalised_by

GROUP = 16
"""Channels that group norm takes together: Wu & He, "Group Normalization", arXiv 1803.08494, table 3."""


def norm_groups(features: int) -> int:
    """Groups that group norm makes of `features` channels: the most of one size with `GROUP` channels or more."""
    return next(groups for groups in range(max(1, features // GROUP), 0, -1) if features % groups == 0)


class Norm(nnx.Module):
    """Group norm, or batch norm with running statistics, computed in float32; and an activation after it."""

    def __init__(self, features: int, kind: str, *, rngs: nnx.Rngs) -> None:
        self.norm: Any
        if kind == "batch":
            self.norm = nnx.BatchNorm(features, momentum=0.9, rngs=rngs)
        else:
            self.norm = nnx.GroupNorm(features, num_groups=norm_groups(features), rngs=rngs)

    def __call__(self, x_nhwc: Array, *, train: bool, activation: str | None = None) -> Array:
        """(n, h, w, features) to the same; in training, batch norm takes a batch's statistics and keeps an average."""
        return normalised_by(self.norm, x_nhwc, train=train, activation=activation)


class BasicBlock(nnx.Module):
    """Conv 3×3, norm, ReLU, conv 3×3, norm, beside a shortcut that is 1×1 where the shape changes; then ReLU."""

    def __init__(
        self, narrow: int, wide: int, strides: int, norm: str, *, dtype: DTypeLike | None, rngs: nnx.Rngs
    ) -> None:
        self.conv1 = Conv(narrow, wide, 3, strides=strides, use_bias=False, rounded=True, dtype=dtype, rngs=rngs)
        self.norm1 = Norm(wide, norm, rngs=rngs)
        self.conv2 = Conv(wide, wide, 3, use_bias=False, rounded=True, dtype=dtype, rngs=rngs)
        self.norm2 = Norm(wide, norm, rngs=rngs)
        changes = strides != 1 or narrow != wide
        self.shortcut = (
            Conv(narrow, wide, 1, strides=strides, use_bias=False, rounded=True, dtype=dtype, rngs=rngs)
            if changes
            else None
        )
        self.norm3 = Norm(wide, norm, rngs=rngs) if changes else None

    def __call__(self, x_nhwc: Array, *, train: bool) -> Array:
        y_nhwc = self.norm1(self.conv1(x_nhwc), train=train, activation="relu")
        y_nhwc = self.norm2(self.conv2(y_nhwc), train=train)
        if self.shortcut is not None and self.norm3 is not None:
            x_nhwc = self.norm3(self.shortcut(x_nhwc), train=train)
        return jax.nn.relu(x_nhwc + y_nhwc)


class ResNetEncoder(nnx.Module):
    """Two basic blocks for each width; the widths of the paper are 64, 128, 256, 512."""

    def __init__(
        self, in_channels: int, widths: tuple[int, ...], norm: str, *, dtype: DTypeLike | None = None, rngs: nnx.Rngs
    ) -> None:
        self.stem = Conv(in_channels, widths[0], 3, use_bias=False, rounded=True, dtype=dtype, rngs=rngs)
        self.norm = Norm(widths[0], norm, rngs=rngs)
        self.count = 2 * len(widths)
        for stage, (narrow, wide) in enumerate(zip((widths[0], *widths), widths, strict=False)):
            first = BasicBlock(narrow, wide, 1 if stage == 0 else 2, norm, dtype=dtype, rngs=rngs)
            setattr(self, f"block{2 * stage}", first)
            setattr(self, f"block{2 * stage + 1}", BasicBlock(wide, wide, 1, norm, dtype=dtype, rngs=rngs))

    def __call__(self, x_nhwc: Array, *, dropout_keys: Array | None = None) -> Array:
        """Normalised images (n, h, w, in_channels) to representations (n, widths[-1]), float32.

        Keys say that this is a training pass: batch norm takes the statistics of the batch. Nothing is dropped.
        """
        train = dropout_keys is not None
        x_nhwc = self.norm(self.stem(x_nhwc), train=train, activation="relu")
        for index in range(self.count):
            x_nhwc = getattr(self, f"block{index}")(x_nhwc, train=train)
        return raised(x_nhwc).mean(axis=(1, 2))
