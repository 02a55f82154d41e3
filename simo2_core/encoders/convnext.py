"""ConvNeXt-T, as torchvision, timm and transformers have it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from simo2_core.encoders.encoder import Encoder
from simo2_core.encoders.resnet_imagenet import check_stages
from simo2_core.encoders.yatcnn import MOST_BLOCKS, MOST_CHANNELS
from simo2_core.settings import require, setting

if TYPE_CHECKING:
    from flax import nnx
    from jax.typing import DTypeLike

PUBLISHED_WIDTHS, PUBLISHED_DEPTHS = (96, 192, 384, 768), (3, 3, 9, 3)


@dataclass(frozen=True, kw_only=True)
class ConvNeXtTiny(Encoder):
    """Patches of 4×4, four stages of depthwise 7×7 convolutions and MLPs, no statistics of a batch."""

    name = "convnext_tiny"
    summary = "ConvNeXt-T: depthwise 7×7 convolutions and MLPs"
    first_layer = "Patch embedding"

    stage_widths: tuple[int, ...] = setting(
        (), "channels of each stage; empty for those published", at_least=1, at_most=MOST_CHANNELS
    )
    stage_depths: tuple[int, ...] = setting(
        (), "blocks of each stage; empty for those published", at_least=1, at_most=MOST_BLOCKS
    )

    def check(self) -> None:
        check_stages(self.stages, self.depths)
        differ = all(a != b for a, b in pairwise(self.stages))
        require(differ, "stage_widths", self.stages, "another number for each stage than for the one before it")

    @property
    def depths(self) -> tuple[int, ...]:
        """Blocks, by stage."""
        return self.stage_depths or PUBLISHED_DEPTHS

    @property
    def first_shrink(self) -> int:
        return 4

    @property
    def features(self) -> int:
        return self.stages[-1]

    @property
    def stages(self) -> tuple[int, ...]:
        return self.stage_widths or PUBLISHED_WIDTHS

    def weights(self, channels: int) -> int:
        before = (self.stages[0], *self.stages[:-1])
        halving = sum(4 * a * b for a, b in zip(before[1:], self.stages[1:], strict=True))
        blocks = sum(depth * (49 * c + 8 * c * c) for c, depth in zip(self.stages, self.depths, strict=True))
        return 16 * channels * self.stages[0] + halving + blocks

    def build(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> nnx.Module:
        from simo2_core.model.convnext import ConvNeXtEncoder

        return ConvNeXtEncoder(channels, self.stages, self.depths, dtype=dtype, rngs=rngs)
