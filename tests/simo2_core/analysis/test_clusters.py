import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from sklearn.metrics import silhouette_score

from simo2_core.analysis.clusters import cluster, matched_accuracy, silhouette


def test_by_hand():
    labels, clusters = np.array([0, 0, 0, 1, 1, 2]), np.array([2, 2, 1, 1, 1, 1])
    # 2 -> class 0 finds two, 1 -> class 1 finds two, 0 -> class 2 finds none
    assert matched_accuracy(labels, clusters, classes=3) == pytest.approx(4 / 6, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(arrays(np.int64, (2, 20), elements=st.integers(0, 3)))
def test_no_naming_of_the_clusters_does_better(both):
    labels, clusters = both
    best = max(np.mean(np.array(names)[clusters] == labels) for names in itertools.permutations(range(4)))
    assert matched_accuracy(labels, clusters, classes=4) == pytest.approx(best, abs=1e-6)


def test_agreement_by_hand():
    # three directions that k-means cannot miss; classes 0, 1 and 2 have 2 0 0, 1 1 0 and 0 0 2 of them
    angles = np.radians([0, 1, 0, 90, 180, 181])
    rows, labels = np.stack([np.cos(angles), np.sin(angles)], axis=1), np.array([0, 0, 1, 1, 2, 2])
    found = cluster(rows, labels, classes=3)
    of_classes, of_clusters = np.log(3), np.log(2) / 2 + np.log(3) / 3 + np.log(6) / 6  # sizes 2 2 2 and 3 1 2
    shared = of_classes - (3 / 6) * (2 / 3 * np.log(3 / 2) + 1 / 3 * np.log(3))  # less what a cluster leaves open
    assert found.nmi == pytest.approx(shared / ((of_classes + of_clusters) / 2), abs=1e-6)
    # pairs together in both 2, in classes 3, in clusters 4, of 15
    assert found.ari == pytest.approx((2 - 3 * 4 / 15) / ((3 + 4) / 2 - 3 * 4 / 15), abs=1e-6)
    assert found.accuracy == pytest.approx(5 / 6, abs=1e-6)


def test_k_means_finds_directions_and_their_number_does_not_matter():
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 25)
    rows = np.eye(4)[labels] * random.uniform(0.5, 5, (100, 1)) + 0.01 * random.normal(size=(100, 4))
    assert cluster(rows, labels, classes=4) == pytest.approx((1, 1, 1), abs=1e-6)
    mixed = cluster(rows, random.permutation(labels), classes=4)
    assert abs(mixed.ari) < 0.1
    assert 0.25 <= mixed.accuracy < 0.5


def test_silhouette_by_hand_and_by_scikit_learn():
    rows, labels = np.array([[1.0, 0.0], [3.0, 4.0], [0.0, 1.0], [0.0, 7.0]]), np.array([0, 0, 1, 1])
    # cosine distances: 0-1 0.4; 0-2, 0-3 1; 1-2, 1-3 0.2; 2-3 0
    by_hand = np.mean([(1 - 0.4) / 1, (0.2 - 0.4) / 0.4, 1, 1])
    assert silhouette(rows, labels) == pytest.approx(by_hand, abs=1e-6)
    assert silhouette(rows, labels) == pytest.approx(silhouette_score(rows, labels, metric="cosine"), abs=1e-6)
    assert silhouette(rows, np.zeros(4, int)) is None
    assert silhouette(rows, np.arange(4)) is None
