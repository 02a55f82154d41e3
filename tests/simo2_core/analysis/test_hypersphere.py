import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from simo2_core.analysis import hypersphere
from simo2_core.analysis.hypersphere import alignment, uniformity


def by_pairs(rows, labels):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    same, spread = [], []
    for i in range(len(unit)):
        for j in range(i):
            apart = np.sum((unit[i] - unit[j]) ** 2)
            spread.append(np.exp(-2 * apart))
            if labels[i] == labels[j]:
                same.append(apart)
    return np.mean(same), np.log(np.mean(spread))


def test_by_hand():
    rows = np.array([[2.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert alignment(rows, np.array([0, 0, 1])) == pytest.approx(2, abs=1e-6)
    # squared distances 2, 4, 2
    assert uniformity(rows) == pytest.approx(np.log((2 * np.exp(-4) + np.exp(-8)) / 3), abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 30))
def test_agrees_with_a_loop_over_pairs(seed, count):
    random = np.random.default_rng(seed)
    rows, labels = random.normal(size=(count, 5)), np.arange(count) % 3
    assert (alignment(rows, labels), uniformity(rows)) == pytest.approx(by_pairs(rows, labels), abs=1e-6)


def test_in_pieces_it_is_the_same(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(50, 4))
    whole = uniformity(rows)
    monkeypatch.setattr(hypersphere, "_ROWS", 16)
    assert uniformity(rows) == pytest.approx(whole, abs=1e-12)


def test_collapsed_and_without_pairs():
    assert uniformity(np.ones((9, 3))) == pytest.approx(0, abs=1e-6)
    assert alignment(np.ones((9, 3)), np.zeros(9, int)) == pytest.approx(0, abs=1e-6)
    assert np.isnan(uniformity(np.ones((1, 3))))
    assert np.isnan(alignment(np.ones((3, 3)), np.arange(3)))
