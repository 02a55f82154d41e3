"""Normalisation counts every value of the training part, and of no other."""

import numpy as np
import pytest

from simo2_core.data import statistics
from simo2_core.data.dataset import Part
from simo2_core.data.statistics import channel_histogram, mean_and_std


@pytest.mark.parametrize("channels", [1, 3])
def test_mean_and_std_are_those_of_numpy_block_by_block(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(channels).integers(0, 256, (20, 5, 7, channels), dtype=np.uint8)
    images[3:10] //= 3
    part = Part(images, np.array([0, 12]), np.array([10, 5]))
    monkeypatch.setattr(statistics, "_BLOCK", 3 * images[0].nbytes)
    histogram = channel_histogram(part)
    assert histogram.sum(axis=1).tolist() == [15 * 35] * channels
    mean, std = mean_and_std(histogram)
    used = images[part.rows] / 255
    np.testing.assert_allclose(mean, used.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(std, used.std((0, 1, 2)), rtol=1e-6)


def test_a_constant_channel_is_not_divided_by_zero() -> None:
    images = np.full((4, 2, 2, 1), 51, np.uint8)
    mean, std = mean_and_std(channel_histogram(Part(images, np.array([0]), np.array([4]))))
    assert (mean.tolist(), std.tolist()) == ([np.float32(0.2)], [np.float32(1 / 255)])
