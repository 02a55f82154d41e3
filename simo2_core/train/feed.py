"""Where the training call gets its images: all of them on the device, or a chunk of steps at a time from the host."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp

from simo2_core.config import Config
from simo2_core.data.dataset import Dataset
from simo2_core.data.placement import Where
from simo2_core.data.stream import Chunks
from simo2_core.train.step import Data, TrainState


class Feed:
    """Gives each call its data. Close it to end the fetching."""

    def __init__(self, dataset: Dataset, config: Config, state: TrainState, where: Where) -> None:
        """Puts everything on the device where `where` says so; else begins to fetch with the first `data`."""
        self.waited = 0.0
        """Seconds that the last `data` waited for images."""
        self._chunks: Chunks | None = None
        if where == "device":
            self._data = place(dataset)
            return
        self._chunks = Chunks(
            dataset.train,
            jax.random.wrap_key_data(state.key),
            classes_per_batch=config.classes_per_batch(len(dataset.train.counts)),
            samples_per_class=config.samples_per_class,
        )
        self._data = _without_images(dataset)

    @property
    def chunk(self) -> int | None:
        """The steps that one `data` serves, aligned to multiples of it; None for every step."""
        return self._chunks.steps if self._chunks else None

    def steps_left(self, step: int) -> int | None:
        """Steps that the data of `step` still serves, itself included; None for any number."""
        return self.chunk - step % self.chunk if self.chunk else None

    def data(self, step: int) -> Data:
        """The data that holds the images of the step after `step` steps taken."""
        if self._chunks is None:
            return self._data
        start = time.monotonic()
        images = self._chunks.get(step // self._chunks.steps)
        self.waited = time.monotonic() - start
        return self._data._replace(images=images)

    def close(self) -> None:
        """Ends the fetching."""
        if self._chunks is not None:
            self._chunks.close()


def place(dataset: Dataset) -> Data:
    """Puts the training part on the device, uint8."""
    return _without_images(dataset)._replace(images=jnp.asarray(dataset.train.images))


def _without_images(dataset: Dataset) -> Data:
    return Data(
        images=jnp.zeros((0, *dataset.image_shape), jnp.uint8),
        offsets=jnp.asarray(dataset.train.offsets, jnp.int32),
        counts=jnp.asarray(dataset.train.counts, jnp.int32),
        mean=jnp.asarray(dataset.mean),
        std=jnp.asarray(dataset.std),
    )
