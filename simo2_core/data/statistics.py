"""Mean and standard deviation of each channel of the training part, exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.dataset import Part

_BLOCK = 1 << 24
"""Bytes looked at together: a mapped data set larger than memory must not be copied whole."""


def channel_histogram(part: Part) -> NDArray[np.int64]:
    """(ch, 256) how often each value occurs in each channel of `part`."""
    from PIL import Image  # counts 5 times as fast as numpy, whose bincount makes 8 bytes of each

    height, width, channels = part.images.shape[1:]
    rows = max(1, _BLOCK // (height * width * channels))
    histogram = np.zeros((channels, 256), np.int64)
    for offset, count in zip(part.offsets.tolist(), part.counts.tolist(), strict=True):
        for begin in range(offset, offset + count, rows):
            block = np.asarray(part.images[begin : min(begin + rows, offset + count)])
            tall = block.reshape(-1, width) if channels == 1 else block.reshape(-1, width, channels)
            histogram += np.array(Image.fromarray(tall).histogram()).reshape(channels, 256)
    return histogram


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
