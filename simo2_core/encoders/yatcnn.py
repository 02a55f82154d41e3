"""YatCNN, and its twin of plain convolutions: the encoder of the paper, and what it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.encoders.encoder import Encoder
from simo2_core.settings import require, setting

if TYPE_CHECKING:
    from flax import nnx
    from jax.typing import DTypeLike


@dataclass(frozen=True, kw_only=True)
class YatCNN(Encoder):
    """A 3×3 stem and one residual block of YatConv for each width, halving the map between them."""

    name = "yatcnn"
    summary = "YatConv and residual blocks, no activation"
    first_layer = "YatConv"

    stem_width: int = setting(32, "channels after the 3×3 stem")
    widths: tuple[int, ...] = setting((64, 128, 256, 512, 1024), "channels of each residual block, comma separated")
    dropout: float = setting(0.2, "share of features dropped after each block while training")

    def check(self) -> None:
        check_widths(self.widths)
        require(self.stem_width >= 1, "stem_width", self.stem_width, "1 or more")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "at least 0 and below 1")

    @property
    def features(self) -> int:
        return self.widths[-1]

    @property
    def stages(self) -> tuple[int, ...]:
        return self.widths

    def build(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> nnx.Module:
        from simo2_core.model.encoders import YatEncoder
        from simo2_core.model.yat import YatConv

        return YatEncoder(channels, self.stem_width, self.widths, self.dropout, layer=YatConv, dtype=dtype, rngs=rngs)


@dataclass(frozen=True, kw_only=True)
class PlainCNN(YatCNN):
    """The twin of YatCNN with plain convolutions and ReLU: the same shapes, the same number of weights but α."""

    name = "cnn"
    summary = "the twin of yatcnn with plain convolutions and ReLU"
    first_layer = "Convolution and ReLU"

    def build(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> nnx.Module:
        from simo2_core.model.encoders import PlainConv, YatEncoder

        return YatEncoder(channels, self.stem_width, self.widths, self.dropout, layer=PlainConv, dtype=dtype, rngs=rngs)


def check_widths(widths: tuple[int, ...]) -> None:
    """Raises ConfigError for widths that make no network."""
    require(len(widths) >= 1 and min(widths) >= 1, "widths", widths, "one or more positive numbers")
