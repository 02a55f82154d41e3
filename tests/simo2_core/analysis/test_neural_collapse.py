import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from simo2_core.analysis.neural_collapse import disagreement, frame, self_duality, within_class


def test_orthogonal_classes_without_spread_are_collapsed():
    labels = np.repeat(np.arange(5), 3)
    rows = np.eye(8)[labels]
    assert within_class(rows, labels, classes=5) == pytest.approx(0, abs=1e-6)
    assert frame(rows, labels, classes=5) == pytest.approx((0, 0, 0), abs=1e-6)
    means = np.eye(8)[:5]
    assert self_duality(7 * (means - means.mean(axis=0)), rows, labels) == pytest.approx(0, abs=1e-6)
    assert self_duality(-(means - means.mean(axis=0)), rows, labels) == pytest.approx(4, abs=1e-6)


def test_nc1_by_hand():
    # means -2 and 2: Σ_B = 4; spread ±1 in one class and ±3 in the other: Σ_W = (1 + 9) / 2
    rows, labels = np.array([[-3.0], [-1.0], [-1.0], [5.0]]), np.array([0, 0, 1, 1])
    assert within_class(rows, labels, classes=2) == pytest.approx(5 / 4 / 2, abs=1e-6)


def test_nc1_does_not_depend_on_where_the_origin_is():
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 30)
    rows = np.eye(6)[labels] + 0.2 * random.normal(size=(120, 6))
    assert within_class(rows + 1000, labels, classes=4) == pytest.approx(within_class(rows, labels, classes=4))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_nc1_agrees_with_its_matrices(seed, classes):
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), random.integers(0, classes, 20)])
    rows = random.normal(size=(len(labels), 4)) + labels[:, None]
    means = np.stack([rows[labels == c].mean(axis=0) for c in range(classes)])
    inside, between = np.zeros((4, 4)), np.zeros((4, 4))
    for row, label in zip(rows, labels, strict=True):
        inside += np.outer(row - means[label], row - means[label]) / len(rows)
    for mean in means:
        between += np.outer(mean - means.mean(axis=0), mean - means.mean(axis=0)) / classes
    by_hand = np.trace(inside @ np.linalg.pinv(between, rcond=1e-10)) / classes
    assert within_class(rows, labels, classes=classes) == pytest.approx(by_hand, rel=1e-6)


def test_nc2_by_hand():
    # about their centre 0 the means are at 0°, 180° and 90°, 270°, of lengths 1, 1, 3, 3
    rows = np.array([[1.0, 0], [-1, 0], [0, 3], [0, -3]])
    found = frame(rows, np.arange(4), classes=4)
    assert found.lengths == pytest.approx(1 / 2, abs=1e-6)  # deviation 1, mean 2
    cosines = np.array([-1, 0, 0] * 4)
    assert found.angles == pytest.approx(cosines.std(), abs=1e-6)
    assert found.widest == pytest.approx((2 / 3 + 1 / 3 + 1 / 3) / 3, abs=1e-6)


def test_nc3_by_hand():
    # centred means ±(3, 4), of norm 5√2 together; weights ±(1, 0), of norm √2: a cosine of 3/5 between the two
    rows, labels = np.array([[3.0, 4.0], [-3.0, -4.0]]) + 7, np.arange(2)
    weights = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert self_duality(weights, rows, labels) == pytest.approx(2 - 2 * 3 / 5, abs=1e-6)


def test_nc4_by_hand():
    means = np.array([[0.0, 0.0], [4.0, 0.0]])
    rows = np.array([[1.0, 9.0], [3.0, 0.0], [1.9, 0.0], [2.1, 0.0]])  # nearest: 0, 1, 0, 1
    assert disagreement(np.array([0, 1, 1, 1]), means, rows) == pytest.approx(1 / 4, abs=1e-6)
