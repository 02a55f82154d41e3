"""Mean and standard deviation of each channel of the training part, exact."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.dataset import Dataset
from simo2_core.data_config import DataConfig
from simo2_core.errors import ConfigError


def mean_and_std(histogram: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of each channel in [0, 1], from a (ch, 256) histogram, each (ch,) float32.

    Counting values is exact, so only the last division rounds (in float64). A constant channel gets the standard
    deviation 1/255, one grey level, because training divides by it.
    """
    levels = np.arange(256, dtype=np.float64) / 255
    total = histogram.sum(axis=1, dtype=np.float64)
    mean = histogram @ levels / total
    variance = (histogram * (levels[None, :] - mean[:, None]) ** 2).sum(axis=1) / total
    return mean.astype(np.float32), np.maximum(np.sqrt(variance), 1 / 255).astype(np.float32)


def normalised(dataset: Dataset, config: DataConfig) -> Dataset:
    """The data set with the mean and standard deviation that the settings ask for, where they do.

    Raises:
        ConfigError: they are for images of another number of channels.
    """
    if not config.mean:
        return dataset
    channels = dataset.image_shape[2]
    if len(config.mean) != channels:
        raise ConfigError(
            f"mean has {len(config.mean)} numbers and images of {dataset.name} have {channels} channels. "
            f"Use --channels {len(config.mean)}, or give {channels} numbers."
        )
    return dataclasses.replace(dataset, mean=np.array(config.mean, np.float32), std=np.array(config.std, np.float32))
