"""Images that are like no others.

Shape letters: n images, k neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.geometry import Floats

FENCE = 1.5
"""Tukey's: so many spans between the quartiles above the upper one."""
NEIGHBOURS = 10
"""Whose distance counts; a class of fewer images would lie far from itself."""
_LEAST = 1e-6
"""A distance that float32 tells from none."""


def find_outliers(cosines: Floats) -> NDArray[np.float64]:
    """How far each image lies from its neighbours, over the farthest that is usual: outliers are above 1.

    The distance is the mean of 1 - cosine. What is usual is told by the quartiles of its logarithm, for it spans
    orders of magnitude where an encoder was trained to draw classes together.

    Args:
        cosines: (n, k) of each image with its neighbours, the nearest first.
    """
    distances_n = np.maximum(1 - np.asarray(cosines[:, :NEIGHBOURS], np.float64).mean(axis=1), _LEAST)
    low, high = np.quantile(np.log(distances_n), [0.25, 0.75])
    return np.asarray(distances_n / np.exp(high + FENCE * (high - low)) * (1 - 1e-9))
