"""Denoising: the decoder must give back, from the representation of a noisy image, the image without the noise.

The decoder mirrors the encoder with YAT transposed convolutions. Source of the pretraining: Vincent et al., "Extracting
and Composing Robust Features with Denoising Autoencoders", 2008.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from simo2_core.objectives.objective import Loss, Objective, Seen, Task, Term
from simo2_core.settings import setting

if TYPE_CHECKING:
    from jax import Array

    from simo2_core.model.decoder import Decoder
    from simo2_core.objectives.objective import Arrays


@dataclass(frozen=True, kw_only=True)
class Autoencoder(Objective):
    """Own parameters: those of `Decoder`. The loss is the mean squared error of a pixel, in variances of the data."""

    name = "autoencoder"
    summary = "the image without the noise, from its representation"
    compares_images = False
    trains_projection = False
    reconstructs = True

    noise: float = setting(
        0.5,
        "standard deviation of the noise that is to be removed, in those of the data set's pixels",
        at_least=0,
        at_most=100,
    )

    def terms(self, classes: int, samples_per_class: int) -> dict[str, Term]:
        return {"total": Term("squared error of a pixel", floor=0.0)}

    def init(self, key: Array, task: Task) -> Arrays:
        from flax import nnx

        from simo2_core.model.network import Packing

        packed = Packing.of(nnx.state(_decoder(task, key)))[1]
        return {"decoder/" + name: value for name, value in packed.items()}

    def view(self, key: Array, images: Array) -> Array:
        import jax

        return images + self.noise * jax.random.normal(key, images.shape, images.dtype)

    def reconstruct(self, params: Arrays, representation: Array, task: Task) -> Array:
        from flax import nnx

        graph, packing = _parts(task)
        own = {name.removeprefix("decoder/"): value for name, value in params.items()}
        images: Array = nnx.merge(graph, packing.state(own))(representation)
        return images

    def loss(self, params: Arrays, seen: Seen, task: Task) -> Loss:
        import jax.numpy as jnp

        back = self.reconstruct(params, seen.representation, task)
        return Loss(jnp.square(back - seen.images).mean(), {})


def _decoder(task: Task, key: Array) -> Decoder:
    from flax import nnx

    from simo2_core.model.decoder import Decoder

    return Decoder(task.features, task.widths, task.image_shape, rngs=nnx.Rngs(params=key))


@lru_cache(maxsize=8)
def _parts(task: Task) -> tuple[Any, Any]:
    """The decoder's graph, and how named arrays become its state; nothing is drawn or computed."""
    import jax
    from flax import nnx

    from simo2_core.model.network import Packing

    graph, state = nnx.split(nnx.eval_shape(lambda: _decoder(task, jax.random.key(0))))
    return graph, Packing.of(state)[0]
