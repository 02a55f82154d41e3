import numpy as np

from simo2_core.analysis.classification import classification


def test_by_hand():
    labels, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0, 0])
    found = classification(labels, predicted, classes=4)
    assert found.confusion.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert found.images.tolist() == [3, 2, 1, 0]
    none = np.nan  # of a class without images nothing can be said
    np.testing.assert_allclose(found.precision, [2 / 4, 1 / 2, 0, none], atol=1e-6)
    np.testing.assert_allclose(found.recall, [2 / 3, 1 / 2, 0, none], atol=1e-6)
    np.testing.assert_allclose(found.f1, [4 / 7, 1 / 2, 0, none], atol=1e-6)
    assert found.worst_confusions(2) == [(0, 1, 1), (1, 0, 1)]
    assert len(found.worst_confusions(9)) == 3
