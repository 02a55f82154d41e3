"""Retrieval by hand, and against a loop over queries."""

import math

import numpy as np
import pytest

from simo2_core.analysis import retrieval as module
from simo2_core.analysis.retrieval import retrieval
from simo2_core.errors import DataError, DivergedError


def by_queries(features, labels, ks):
    """The definition, a query at a time in float64."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    recall, precision, average = {k: [] for k in ks}, [], []
    for i in range(len(unit)):
        others = [j for j in range(len(unit)) if j != i]
        others.sort(key=lambda j: -unit[i] @ unit[j])
        right = [labels[j] == labels[i] for j in others]
        wanted = sum(right)
        if not wanted:
            continue
        for k in ks:
            recall[k].append(any(right[:k]))
        precision.append(sum(right[:wanted]) / wanted)
        average.append(sum(sum(right[: p + 1]) / (p + 1) for p in range(wanted) if right[p]) / wanted)
    return {k: np.mean(hits) for k, hits in recall.items()}, np.mean(precision), np.mean(average), len(precision)


def test_six_images_by_hand():
    """At 0, 10, 26 (b), 90 (b), 100 (b) and 49 degrees. R is 2 for each, and the nearest of each are, right or not:

    0: 10 yes, 26 no, 49 yes        R-precision 1/2, average precision (1)/2
    10: 0 yes, 26 no, 49 yes        1/2, 1/2
    26: 10 no, 49 no, 0 no, 90 yes  0, 0
    90: 100 yes, 49 no, 26 yes      1/2, 1/2
    100: 90 yes, 49 no, 26 yes      1/2, 1/2
    49: 26 no, 10 yes, 90 no, 0 yes 1/2, (1/2)/2
    """
    degrees = np.radians([0, 10, 26, 90, 100, 49])
    lengths = np.array([[1.0], [5], [2], [1], [3], [0.5]])
    rows = np.stack([np.cos(degrees), np.sin(degrees)], axis=1) * lengths
    found = retrieval(rows, np.array([0, 0, 1, 1, 1, 0]), ks=(1, 2, 4))
    assert found.recall == pytest.approx({1: 4 / 6, 2: 5 / 6, 4: 1.0})
    assert found.r_precision == pytest.approx(5 / 12)
    assert found.map_at_r == pytest.approx((4 * 1 / 2 + 1 / 4) / 6)
    assert found.queries == 6


def test_only_the_first_r_count_and_each_by_what_came_before():
    """Five images of one class, and one of another at 12 degrees, which asks for nobody. R is 4.

    0: 5 yes, 12 no, 18 yes, 25 yes      R-precision 3/4, average precision (1 + 2/3 + 3/4)/4
    5: 0 yes, 12 no, 18 yes, 25 yes      3/4, the same
    18: 12 no, 25 yes, 5 yes, 0 yes      3/4, (1/2 + 2/3 + 3/4)/4
    25: 18 yes, 12 no, 5 yes, 0 yes      3/4, (1 + 2/3 + 3/4)/4
    170: 25 yes, 18 yes, 12 no, 5 yes    3/4, (1 + 1 + 3/4)/4
    """
    degrees = np.radians([0, 5, 12, 18, 25, 170])
    rows = np.stack([np.cos(degrees), np.sin(degrees)], axis=1)
    found = retrieval(rows, np.array([7, 7, 3, 7, 7, 7]), ks=(1,))
    usual = (1 + 2 / 3 + 3 / 4) / 4
    assert found.queries == 5
    assert found.recall[1] == pytest.approx(4 / 5)
    assert found.r_precision == pytest.approx(3 / 4)
    assert found.map_at_r == pytest.approx((3 * usual + (1 / 2 + 2 / 3 + 3 / 4) / 4 + (2 + 3 / 4) / 4) / 5)


def test_agrees_with_pytorch_metric_learning():
    """Its values, of AccuracyCalculator(k="max_bin_count") with CustomKNN(CosineSimilarity()), version 2.9.0."""
    n = np.arange(200)
    labels = n * n // 9 % 7
    labels[0] = 99  # alone
    features = np.sin(np.outer(n + 1.0, [1.0, 2.3, 3.7, 5.1, 0.4, 8.9]))
    features += 0.8 * np.cos(np.outer(labels + 1.0, [1.9, 0.7, 4.3, 2.2, 3.1, 6.5]))
    found = retrieval(features, labels, ks=(1,))
    assert found.recall[1] == pytest.approx(0.7738693467336684, abs=1e-9)
    assert found.r_precision == pytest.approx(0.4586578100585939, abs=1e-9)
    assert found.map_at_r == pytest.approx(0.3119631024570148, abs=1e-9)


@pytest.mark.parametrize(("n", "classes", "queries"), [(60, 4, 512), (60, 25, 7), (9, 2, 4)])
def test_agrees_with_a_loop_over_queries(monkeypatch, n, classes, queries):
    monkeypatch.setattr(module, "_QUERIES", queries)
    draw = np.random.default_rng(n + classes)
    labels = draw.integers(classes, size=n)
    features = draw.normal(size=(n, 5)) + 1.5 * draw.normal(size=(classes, 5))[labels]
    found = retrieval(features, labels, ks=(1, 2, 4, 8))
    recall, precision, average, asked = by_queries(features, labels, (1, 2, 4, 8))
    assert found.recall == pytest.approx(recall, abs=1e-9)
    assert (found.r_precision, found.map_at_r) == pytest.approx((precision, average), abs=1e-9)
    assert found.queries == asked


def test_apart_is_perfect_and_nobody_asks_where_all_are_alone():
    found = retrieval(np.repeat(np.eye(3), 4, axis=0), np.repeat([0, 1, 2], 4), ks=(1, 50))
    assert (found.recall, found.r_precision, found.map_at_r) == ({1: 1.0, 50: 1.0}, 1.0, 1.0)
    alone = retrieval(np.eye(3), np.arange(3), ks=(1,))
    assert alone.queries == 0
    assert math.isnan(alone.map_at_r)
    assert math.isnan(alone.recall[1])


def test_features_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match=r"\(n, f\) and \(n,\)"):
        retrieval(np.ones((3, 2)), np.zeros(4, int), ks=(1,))
    with pytest.raises(DivergedError):
        retrieval(np.full((3, 2), np.nan), np.zeros(3, int), ks=(1,))
