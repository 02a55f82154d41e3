"""Where the training call gets its images: all of them on the device, or a chunk of steps at a time from the host."""

from __future__ import annotations

import dataclasses
import time

import jax
import jax.numpy as jnp
import numpy as np

from simo2_core.config import Config
from simo2_core.data.dataset import Dataset
from simo2_core.data.placement import Where
from simo2_core.data.stream import Chunks
from simo2_core.train.devices import all_devices, by_image, put_whole
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
            jax.random.wrap_key_data(jnp.asarray(np.asarray(state.key))),  # of one process, not of all
            classes_per_batch=config.classes_per_batch(len(dataset.train.counts)),
            samples_per_class=config.samples_per_class,
            sampling=config.sampling,
            place=lambda images: by_image(all_devices(), images),
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


def drawn_from(dataset: Dataset, config: Config) -> Dataset:
    """The data set as batches are drawn from it: without labels, every image is a class of its own."""
    if config.data.labels == "none":
        return dataclasses.replace(dataset, train=(dataset.views or dataset.train).singletons())
    return dataset


def place(dataset: Dataset) -> Data:
    """Puts the training part on every device, uint8."""
    return _without_images(dataset)._replace(images=put_whole(dataset.train.images, all_devices()))


def _without_images(dataset: Dataset) -> Data:
    part = dataset.train
    empty = np.zeros((0, *dataset.image_shape), np.uint8)
    facts = (empty, part.offsets.astype(np.int32), part.counts.astype(np.int32), dataset.mean, dataset.std)
    return Data(*put_whole(facts, all_devices()))
