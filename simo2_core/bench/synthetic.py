"""Random images in the shape of a preset's: what a step costs does not depend on what they show."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from simo2_core.config import Config
from simo2_core.data.dataset import DataPart, Dataset
from simo2_core.presets import Preset

MOST_BYTES = 64_000_000
"""Of training images, unless a batch needs more: enough not to fit in a processor's cache."""


def synthetic_dataset(preset: Preset, config: Config) -> Dataset:
    """A data set with the classes and image shape of `preset`, as `config` resizes them, and fewer images.

    A class may have fewer than a batch draws of it: a draw may repeat an image, and takes as long as any other.
    """
    height, width, channels = preset.image_shape
    if config.data.image_size:
        height = width = config.data.image_size
    shape = (height, width, config.data.channels or channels)
    fit = min(preset.train_images, MOST_BYTES // math.prod(shape)) // preset.classes
    rng = np.random.default_rng(0)
    names = tuple(str(index) for index in range(preset.classes))
    return Dataset(
        name=f"random images like {config.data.dataset}",
        class_names=names,
        train=_part(rng, preset.classes, max(fit, 2), shape),
        validation=_part(rng, preset.classes, 1, shape),
        test=_part(rng, preset.classes, 1, shape),
        mean=np.full(shape[-1], 0.5, np.float32),
        std=np.full(shape[-1], 0.289, np.float32),
        fingerprint="random",
    )


def _part(rng: np.random.Generator, classes: int, each: int, shape: tuple[int, ...]) -> DataPart:
    images: NDArray[np.uint8] = rng.integers(0, 256, (classes * each, *shape), np.uint8)
    return DataPart(images, np.arange(classes) * each, np.full(classes, each))
