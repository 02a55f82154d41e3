"""ViT-S as DINOv2 and DINOv3 have it, as timm and transformers store them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simo2_core.encoders.encoder import Encoder
from simo2_core.encoders.yatcnn import MOST_BLOCKS, MOST_CHANNELS
from simo2_core.settings import require, setting

if TYPE_CHECKING:
    from flax import nnx
    from jax.typing import DTypeLike

POSITIONS = ("learned", "rotary")
POOLINGS = ("token", "patches")
MOST_TOKENS = 1024


@dataclass(frozen=True, kw_only=True)
class ViTSmall(Encoder):
    """A class token, registers, and a token for each patch; the representation is one of the tokens, or their mean."""

    name = "vit_small"
    summary = "ViT-S of DINOv2 (learned positions) or DINOv3 (rotary)"
    first_layer = "Patch embedding"

    patch_size: int = setting(14, "pixels of a side of a patch", at_least=1, at_most=MOST_TOKENS)
    token_width: int = setting(384, "features of a token", at_least=4, at_most=MOST_CHANNELS)
    layers: int = setting(12, "transformer blocks", at_least=1, at_most=MOST_BLOCKS)
    heads: int = setting(6, "heads of attention", at_least=1, at_most=MOST_TOKENS)
    registers: int = setting(0, "tokens beside class and patches", at_least=0, at_most=MOST_TOKENS)
    positions: str = setting("learned", "how a patch knows its place", choices=POSITIONS)
    pooling: str = setting(
        "token", "the representation: the class token, or the mean of the patches' tokens", choices=POOLINGS
    )
    position_grid: int = setting(
        16,
        "learned positions on a side, resized for images with more or fewer patches; rotary ones need none",
        at_least=1,
        at_most=MOST_TOKENS,
    )

    def check(self) -> None:
        require(
            self.token_width % self.heads == 0, "heads", self.heads, f"a divisor of the {self.token_width} features"
        )
        rotary = self.positions == "rotary"
        require(
            not rotary or (self.token_width // self.heads) % 4 == 0,
            "heads",
            self.heads,
            "such that each of them has a multiple of 4 features, for rotary positions",
        )

    @property
    def features(self) -> int:
        return self.token_width

    def weights(self, channels: int) -> int:
        return self.patch_size**2 * channels * self.token_width + 12 * self.layers * self.token_width**2

    @property
    def first_shrink(self) -> int:
        return self.patch_size

    @property
    def multiple_of(self) -> int:
        return self.patch_size

    def build(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> nnx.Module:
        from simo2_core.model.vit import ViTEncoder

        grid = self.position_grid if self.positions == "learned" else 0
        return ViTEncoder(
            channels, self.patch_size, self.token_width, self.layers, self.heads, self.registers, grid,
            pool_patches=self.pooling == "patches", dtype=dtype, rngs=rngs,
        )  # fmt: skip
