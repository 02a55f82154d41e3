"""Mean and standard deviation of each channel of the training part, exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
