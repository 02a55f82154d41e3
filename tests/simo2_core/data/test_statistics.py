"""From counted values to what images are normalised by."""

import numpy as np

from simo2_core.data.statistics import mean_and_std


def test_a_constant_channel_is_not_divided_by_zero() -> None:
    histogram = np.zeros((1, 256), np.int64)
    histogram[0, 51] = 16
    mean, std = mean_and_std(histogram)
    assert (mean.tolist(), std.tolist()) == ([np.float32(0.2)], [np.float32(1 / 255)])
