"""The ResNets that are trained on ImageNet, as torchvision, timm and transformers have them.

They begin with a 7×7 convolution and max pooling, which quarter the map at once: for images of 100 pixels and more.
`resnet18` is the other one, with a 3×3 stem for small images; its weights fit none of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from simo2_core.encoders.encoder import Encoder
from simo2_core.encoders.yatcnn import MOST_BLOCKS, MOST_CHANNELS
from simo2_core.settings import require, setting

if TYPE_CHECKING:
    from flax import nnx
    from jax.typing import DTypeLike

PUBLISHED_WIDTHS = (64, 128, 256, 512)
STEM = 64


@dataclass(frozen=True, kw_only=True)
class ImageNetResNet(Encoder):
    """Four stages of residual blocks with batch norm."""

    first_layer = "Convolution"
    bottleneck: ClassVar[bool] = False
    published_depths: ClassVar[tuple[int, ...]] = ()

    stage_widths: tuple[int, ...] = setting(
        (),
        "channels of the 3×3 convolutions of each stage; empty for those published",
        at_least=1,
        at_most=MOST_CHANNELS,
    )
    stage_depths: tuple[int, ...] = setting(
        (), "blocks of each stage; empty for those published", at_least=1, at_most=MOST_BLOCKS
    )

    def check(self) -> None:
        check_stages(self.widths_of_stages, self.depths)

    @property
    def widths_of_stages(self) -> tuple[int, ...]:
        """Channels of the 3×3 convolutions, by stage."""
        return self.stage_widths or PUBLISHED_WIDTHS

    @property
    def depths(self) -> tuple[int, ...]:
        """Blocks, by stage."""
        return self.stage_depths or self.published_depths

    @property
    def stem_width(self) -> int:
        """Channels after the stem: those of the first stage."""
        return self.widths_of_stages[0]

    @property
    def first_shrink(self) -> int:
        return 4

    @property
    def features(self) -> int:
        return self.stages[-1]

    @property
    def stages(self) -> tuple[int, ...]:
        from simo2_core.model.imagenet_resnet import EXPANSION

        return tuple(width * (EXPANSION if self.bottleneck else 1) for width in self.widths_of_stages)

    def weights(self, channels: int) -> int:
        total, narrow = 49 * channels * self.stem_width, self.stem_width
        for width, wide, depth in zip(self.widths_of_stages, self.stages, self.depths, strict=True):
            for _ in range(depth):
                inner = 9 * width * width + width * wide if self.bottleneck else 9 * width * wide
                total += narrow * width * (1 if self.bottleneck else 9) + inner
                narrow = wide
        return total

    @property
    def needs_whole_batch(self) -> str:
        return f"{self.name} normalises over the whole batch. Use an encoder without batch norm, such as convnext_tiny."

    def build(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> nnx.Module:
        from simo2_core.model.imagenet_resnet import ImageNetResNetEncoder

        return ImageNetResNetEncoder(
            channels,
            self.stem_width,
            self.widths_of_stages,
            self.depths,
            bottleneck=self.bottleneck,
            dtype=dtype,
            rngs=rngs,
        )


@dataclass(frozen=True, kw_only=True)
class ResNet18ImageNet(ImageNetResNet):
    """Two basic blocks a stage."""

    name = "resnet18_imagenet"
    summary = "ResNet-18 with the 7×7 stem, as pretrained ones have it"
    published_depths = (2, 2, 2, 2)


@dataclass(frozen=True, kw_only=True)
class ResNet34ImageNet(ImageNetResNet):
    """Three, four, six and three basic blocks."""

    name = "resnet34_imagenet"
    summary = "ResNet-34 with the 7×7 stem, as pretrained ones have it"
    published_depths = (3, 4, 6, 3)


@dataclass(frozen=True, kw_only=True)
class ResNet50ImageNet(ImageNetResNet):
    """Three, four, six and three bottlenecks."""

    name = "resnet50_imagenet"
    summary = "ResNet-50 with the 7×7 stem, as pretrained ones have it"
    bottleneck = True
    published_depths = (3, 4, 6, 3)


def check_stages(widths: tuple[int, ...], depths: tuple[int, ...]) -> None:
    """Raises ConfigError for stages that make no network."""
    require(len(widths) == len(depths), "stage_depths", depths, f"a number for each of {len(widths)} stages")
    require(sum(depths) <= 16 * MOST_BLOCKS, "stage_depths", depths, f"up to {16 * MOST_BLOCKS} blocks in all")
