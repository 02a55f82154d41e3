"""Denoising: the decoder must give back, from the representation of a noisy image, the image without the noise.

The decoder mirrors the encoder with YAT transposed convolutions. Source of the pretraining: Vincent et al., "Extracting
and Composing Robust Features with Denoising Autoencoders", 2008.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from simo2_core.model.decoder import Decoder
from simo2_core.model.network import Arrays, Packing
from simo2_core.objectives.objective import Loss, Objective, Seen


@dataclass(frozen=True)
class Autoencoder(Objective):
    """Own parameters: those of `Decoder`. The loss is the mean squared error of a pixel, in variances of the data."""

    features: int
    widths: tuple[int, ...]
    image_shape: tuple[int, int, int]
    noise: float

    @cached_property
    def _parts(self) -> tuple[nnx.GraphDef[Decoder], Packing]:
        graph, state = nnx.split(nnx.eval_shape(lambda: self._decoder(jax.random.key(0))))
        return graph, Packing.of(state)[0]

    def _decoder(self, key: Array) -> Decoder:
        return Decoder(self.features, self.widths, self.image_shape, rngs=nnx.Rngs(params=key))

    def init(self, key: Array) -> Arrays:
        return {"decoder/" + name: value for name, value in Packing.of(nnx.state(self._decoder(key)))[1].items()}

    def view(self, key: Array, images: Array) -> Array:
        return images + self.noise * jax.random.normal(key, images.shape, images.dtype)

    def decode(self, params: Arrays, representation: Array) -> Array:
        """(N, H, W, ch) normalised images of (N, F) representations."""
        graph, packing = self._parts
        own = {name.removeprefix("decoder/"): value for name, value in params.items()}
        images: Array = nnx.merge(graph, packing.state(own))(representation)
        return images

    def loss(self, params: Arrays, seen: Seen) -> Loss:
        return Loss(jnp.square(self.decode(params, seen.representation) - seen.images).mean(), {})
