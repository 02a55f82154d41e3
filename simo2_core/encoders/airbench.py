"""The networks of airbench, and their twin of YatConvs: 94% on CIFAR-10 within seconds on a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from simo2_core.encoders.encoder import Encoder
from simo2_core.encoders.resnet18 import NORMS
from simo2_core.encoders.yatcnn import MOST_CHANNELS
from simo2_core.settings import require, setting

if TYPE_CHECKING:
    from flax import nnx
    from jax.typing import DTypeLike


@dataclass(frozen=True, kw_only=True)
class Airbench(Encoder):
    """A frozen whitening of 2×2 patches, and groups of convolution, pooling, norm and activation.

    The published ones: 64,128,128 (93% in 11 passes over CIFAR-10), 64,256,256 (94%), 128,384,384 (95%).
    """

    name = "airbench"
    summary = "whitened patches, groups of convolutions that begin as the identity"
    first_layer = "Whitening"
    layer: ClassVar[str] = "conv"

    groups: tuple[int, ...] = setting(
        (64, 256, 256), "channels of each group, comma separated", at_least=1, at_most=MOST_CHANNELS
    )
    group_norm: str = setting("batch", "what normalises the maps of a group", choices=NORMS)
    activation: str = setting("gelu", "what follows each norm", choices=("gelu", "silu", "relu"))
    output_scale: float = setting(
        0.0625, "what the representation is multiplied with: it makes logits small at the start", above=0, at_most=1e6
    )

    def check(self) -> None:
        require(1 <= len(self.groups) <= 16, "groups", self.groups, "from 1 to 16 numbers")

    @property
    def features(self) -> int:
        return self.groups[-1]

    @property
    def stages(self) -> tuple[int, ...]:
        return self.groups

    def weights(self, channels: int) -> int:
        before = (8 * channels, *self.groups[:-1])
        return sum(9 * a * b + 9 * b * b for a, b in zip(before, self.groups, strict=True))

    @property
    def smallest_side(self) -> int:
        """The whitening takes a row and a column, and every group halves the map."""
        return int(2 ** len(self.groups)) + 1

    @property
    def needs_whole_batch(self) -> str:
        if self.group_norm == "group":
            return ""
        return f"{self.name} normalises over the whole batch. Use --group-norm group, which does not."

    @property
    def fits_on(self) -> int:
        """Images whose patches are whitened: at 32 pixels they have a million of them."""
        return 1000

    def build(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> nnx.Module:
        from simo2_core.model.airbench import AirbenchEncoder

        return AirbenchEncoder(
            channels,
            self.groups,
            layer=self.layer,
            norm=self.group_norm,
            activation=self.activation,
            scale=self.output_scale,
            dtype=dtype,
            rngs=rngs,
        )


@dataclass(frozen=True, kw_only=True)
class YatAirbench(Airbench):
    """The same groups with YatConv in place of convolution and activation: what the paper's layer does at that cost."""

    name = "yat_airbench"
    summary = "the twin of airbench with YatConv, and no activation after it"
    layer = "yat"
