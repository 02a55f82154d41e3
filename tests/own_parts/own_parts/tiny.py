"""An encoder of one convolution."""

from dataclasses import dataclass

import jax
from flax import nnx

from simo2_core.encoders.encoder import Encoder
from simo2_core.settings import setting


class OneConvolution(nnx.Module):
    def __init__(self, channels, width, *, rngs):
        self.conv = nnx.Conv(channels, width, (3, 3), rngs=rngs)

    def __call__(self, images, dropout_keys=None):
        return jax.nn.relu(self.conv(images)).mean(axis=(1, 2))


@dataclass(frozen=True, kw_only=True)
class Tiny(Encoder):
    """One convolution, ReLU and the mean."""

    summary = "one convolution"

    width: int = setting(8, "channels of the convolution")

    @property
    def features(self):
        return self.width

    def build(self, channels, *, dtype, rngs):
        return OneConvolution(channels, self.width, rngs=rngs)
