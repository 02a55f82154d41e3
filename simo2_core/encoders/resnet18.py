"""ResNet-18 with the stem for small images: what others report their numbers with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.encoders.encoder import Encoder
from simo2_core.encoders.yatcnn import MOST_CHANNELS, check_widths
from simo2_core.settings import setting

if TYPE_CHECKING:
    from flax import nnx
    from jax.typing import DTypeLike

NORMS = ("group", "batch")


@dataclass(frozen=True, kw_only=True)
class ResNet18(Encoder):
    """Two basic blocks for each of the first four widths; those of the paper are 64, 128, 256, 512."""

    name = "resnet18"
    summary = "ResNet-18 of the first four widths (as published 64,128,256,512)"
    first_layer = "Convolution"

    widths: tuple[int, ...] = setting(
        (64, 128, 256, 512), "channels of each stage, comma separated", at_least=1, at_most=MOST_CHANNELS
    )
    norm: str = setting("group", "what normalises the maps", choices=NORMS)

    def check(self) -> None:
        check_widths(self.widths)

    @property
    def features(self) -> int:
        return self.stages[-1]

    @property
    def stages(self) -> tuple[int, ...]:
        return self.widths[:4]

    def weights(self, channels: int) -> int:
        before = (self.stages[0], *self.stages[:-1])
        return 9 * channels * self.stages[0] + sum(
            9 * a * b + 27 * b * b for a, b in zip(before, self.stages, strict=True)
        )

    @property
    def needs_whole_batch(self) -> str:
        if self.norm == "group":
            return ""
        return f"{self.name} with --norm {self.norm} normalises over the whole batch. Use --norm group, which does not."

    def build(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> nnx.Module:
        from simo2_core.model.resnet import ResNetEncoder

        return ResNetEncoder(channels, self.stages, self.norm, dtype=dtype, rngs=rngs)
