"""The model that is trained: an encoder and the projection head whose output the loss sees."""

from __future__ import annotations

from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from jax.typing import DTypeLike
from numpy.typing import NDArray

from simo2_core.compiling import exact_products
from simo2_core.errors import PartError
from simo2_core.faults import called, shape_of
from simo2_core.model.initial import lecun_normal


class BuildsEncoder(Protocol):
    """What an encoder's settings are to this floor: see `simo2_core.encoders.encoder`."""

    @property
    def features(self) -> int: ...

    def build(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs) -> nnx.Module: ...


class Architecture(Protocol):
    """What decides the network, as `ModelConfig` has it."""

    @property
    def encoder(self) -> BuildsEncoder: ...

    @property
    def embedding_size(self) -> int: ...

    @property
    def precision(self) -> str: ...


class SimO2Model(nnx.Module):
    """Encoder → representation → linear projection → unit embedding. No state of its own but its Params."""

    def __init__(self, encoder: Any, features: int, embedding_size: int, *, rngs: nnx.Rngs, called: str) -> None:
        """Makes the head; `called` is how a message names the encoder."""
        self.encoder = encoder
        self._features, self._called = features, called
        self.head = nnx.Linear(features, embedding_size, kernel_init=lecun_normal, rngs=rngs)

    def represent(self, images: Array, *, dropout_keys: Array | None = None) -> Array:
        """Normalised images (n, h, w, channels) to pooled features (n, f), float32."""
        representation: Array = self.encoder(images, dropout_keys=dropout_keys)
        wanted, given = (images.shape[0], self._features), f"{shape_of(representation)} for {images.shape[0]} images"
        if np.shape(representation) != wanted or representation.dtype not in (jnp.float32, jnp.float64):
            raise PartError(f"{self._called} gave {given}; it must be {wanted} float32.")
        return representation

    def __call__(self, images: Array, *, dropout_keys: Array | None = None) -> tuple[Array, Array]:
        """Normalised images (n, h, w, channels) to (representation (n, f), unit embedding (n, D)), float32.

        With `dropout_keys`, (n,) typed keys, features of each image are dropped as decided by its own key alone.
        """
        representation = self.represent(images, dropout_keys=dropout_keys)
        with exact_products():
            projection = self.head(representation)
        return representation, to_unit_rows(projection)


class WithoutKeys(nnx.Module):
    """An encoder that is told nothing of a training pass but by its own `nnx` mode."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def fit(self, images: NDArray[np.float32]) -> None:
        """Fits the module on training images, (n, h, w, channels) normalised."""
        self.module.fit(images)

    def __call__(self, images: Array, *, dropout_keys: Array | None = None) -> Array:
        """Normalised images (n, h, w, channels) to representations (n, F), float32."""
        self.module.train() if dropout_keys is not None else self.module.eval()
        representation: Array = self.module(images)
        return representation


def build_model(
    config: Architecture, in_channels: int, key: Array, images: NDArray[np.float32] | None = None
) -> SimO2Model:
    """A new model, its weights decided by `key`, its encoder fitted on normalised `images` where it fits on any."""
    rngs = nnx.Rngs(params=key)
    encoder: Any = config.encoder.build(in_channels, dtype=compute_dtype(config.precision), rngs=rngs)
    if images is not None:
        encoder.fit(images)
    who = called("encoder", config.encoder)
    return SimO2Model(encoder, config.encoder.features, config.embedding_size, rngs=rngs, called=who)


def compute_dtype(precision: str) -> DTypeLike:
    """What an encoder multiplies in: float32 or bfloat16, on the default device where `precision` leaves it open.

    bfloat16 halves what a product reads and doubles or better what an accelerator's matrix units do in a second. On a
    CPU it depends, and `simo2_core.train.precision` decides for a new run.
    """
    if precision == "auto":
        precision = "bfloat16" if jax.default_backend() in ("gpu", "tpu") else "float32"
    return jnp.dtype(precision)


def to_unit_rows(x_nd: Array, *, smallest: float = 1e-12) -> Array:
    """Divides each row by its norm, or by `smallest` if that is larger: a row of zeros stays, with gradient 0."""
    square_n1 = jnp.square(x_nd).sum(axis=-1, keepdims=True)
    zero_n1 = square_n1 <= smallest**2
    norm_n1 = jnp.where(zero_n1, smallest, jnp.sqrt(jnp.where(zero_n1, 1.0, square_n1)))
    return x_nd / norm_n1
