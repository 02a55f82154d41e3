"""Neighbours and close pairs, held against a loop."""

import numpy as np
import pytest

from simo2_core.analysis import nearest
from simo2_core.analysis.nearest import above, nearest_others, unit_float32


@pytest.fixture
def unit(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    monkeypatch.setattr(nearest, "_CHUNK", 7)
    points = np.random.default_rng(0).normal(size=(40, 5))
    points[3] = 0
    points[20] = 2 * points[11]
    return unit_float32(points)


def test_the_nearest_are_those_with_the_largest_cosine(unit: np.ndarray) -> None:
    ids, cosines = nearest_others(unit, 6)
    for row in range(40):
        order = [other for other in np.argsort(-(unit @ unit[row]), kind="stable") if other != row][:6]
        np.testing.assert_allclose(cosines[row], unit[order] @ unit[row], atol=1e-6)
        assert row == 3 or {*ids[row].tolist(), 11, 20} == {*order, 11, 20}, "of two equal rows either may come first"
    assert nearest_others(unit, 39)[0].shape == (40, 39)


def test_close_pairs_are_found_once_each(unit: np.ndarray) -> None:
    found = {(row, other) for row, earlier, _ in above(unit, 0.8) for other in earlier.tolist()}
    assert found == {(i, j) for i in range(40) for j in range(i) if unit[i] @ unit[j] >= 0.8}
    assert (20, 11) in found
    assert all(3 not in pair for pair in found), "a row of zeros is like nothing"
    for row, earlier, cosines in above(unit, 0.8):
        np.testing.assert_allclose(cosines, unit[earlier] @ unit[row], atol=1e-6)
