"""What lies far from all others stands out, and what lies as others do does not."""

import numpy as np
import pytest

from simo2_core.analysis.nearest import nearest_others, unit_float32
from simo2_core.analysis.outliers import find_outliers


def distances(points: np.ndarray) -> np.ndarray:
    return find_outliers(nearest_others(unit_float32(points), 20)[1])


@pytest.mark.parametrize("spread", [0.01, 0.3])
def test_noise_among_classes_stands_out_however_tight_they_are(spread: float) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, 16))
    classes = np.repeat(centres, 80, 0) + spread * rng.normal(size=(400, 16))
    found = distances(np.concatenate([classes, rng.normal(size=(3, 16)) * 3]))
    assert (found[400:] > 1).all()
    assert (found[:400] > 1).mean() < 0.03


def test_equal_images_are_no_outliers() -> None:
    assert not (distances(np.ones((30, 4))) > 1).any()
    assert np.isfinite(distances(np.ones((30, 4)))).all()


def test_two_images_have_each_other() -> None:
    cosines = nearest_others(unit_float32(np.eye(2)), 1)[1]
    assert not (find_outliers(cosines) > 1).any()
