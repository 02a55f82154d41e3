"""YatCNN, and its twin of plain convolutions: the encoder of the paper, and what it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.encoders.encoder import Encoder
from simo2_core.settings import require, setting

if TYPE_CHECKING:
    from flax import nnx
    from jax.typing import DTypeLike

MOST_CHANNELS, MOST_BLOCKS = 65_536, 64


@dataclass(frozen=True, kw_only=True)
class YatCNN(Encoder):
    """A 3×3 stem and one residual block of YatConv for each width, halving the map between them."""

    name = "yatcnn"
    summary = "YatConv and residual blocks, no activation"
    first_layer = "YatConv"

    stem_width: int = setting(32, "channels after the 3×3 stem", at_least=1, at_most=MOST_CHANNELS)
    widths: tuple[int, ...] = setting(
        (64, 128, 256, 512, 1024), "channels of each residual block, comma separated", at_least=1, at_most=MOST_CHANNELS
    )
    dropout: float = setting(0.0, "share of features dropped after each block while training", at_least=0, below=1)
    """0.2 in the original, with which the loss of the paper gathers less: `letters-dropout` of the benchmarks."""

    def check(self) -> None:
        check_widths(self.widths)

    @property
    def features(self) -> int:
        return self.widths[-1]

    @property
    def stages(self) -> tuple[int, ...]:
        return self.widths

    def weights(self, channels: int) -> int:
        before = (self.stem_width, *self.widths[:-1])
        blocks = sum(10 * a * b + 9 * b * b for a, b in zip(before, self.widths, strict=True))
        return 9 * channels * self.stem_width + blocks

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
    require(1 <= len(widths) <= MOST_BLOCKS, "widths", widths, f"from 1 to {MOST_BLOCKS} numbers")
