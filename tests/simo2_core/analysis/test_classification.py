import numpy as np
import pytest

from simo2_core.analysis.classification import classification


def test_by_hand():
    labels, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0, 0])
    found = classification(labels, predicted, classes=4)
    assert found.confusion.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert found.images.tolist() == [3, 2, 1, 0]
    assert found.precision == pytest.approx([2 / 4, 1 / 2, 0, 0], abs=1e-6)
    assert found.recall == pytest.approx([2 / 3, 1 / 2, 0, 0], abs=1e-6)
    assert found.f1 == pytest.approx([4 / 7, 1 / 2, 0, 0], abs=1e-6)
    assert found.worst_confusions(2) == [(0, 1, 1), (1, 0, 1)]
    assert len(found.worst_confusions(9)) == 3
