"""Retrieval by hand, and against a loop over queries."""

import math

import numpy as np
import pytest

from simo2_core.analysis import retrieval as module
from simo2_core.analysis.retrieval import retrieval
from simo2_core.errors import DataError, DivergedError


def by_queries(features, labels, ks, gallery=None):
    """The definition, a query at a time in float64; of equal cosines the first row."""
    rows, of_rows = (features, labels) if gallery is None else gallery
    unit, there = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (features, rows))
    recall, precision, average = {k: [] for k in ks}, [], []
    for i in range(len(unit)):
        others = [j for j in range(len(there)) if gallery is not None or j != i]
        others.sort(key=lambda j: -float(unit[i] @ there[j]))
        right = [of_rows[j] == labels[i] for j in others]
        wanted = sum(right)
        if not wanted:
            continue
        for k in ks:
            recall[k].append(any(right[:k]))
        precision.append(sum(right[:wanted]) / wanted)
        average.append(sum(sum(right[: p + 1]) / (p + 1) for p in range(wanted) if right[p]) / wanted)
    return {k: np.mean(hits) for k, hits in recall.items()}, np.mean(precision), np.mean(average), len(precision)


def drawn(n, classes, seed):
    """Axes and corners of a cube of four dimensions, and labels: most cosines are equal to others, all are exact."""
    i = np.arange(n)
    labels = (i * i // 9 + seed * i) % classes
    corner = np.stack(
        [(i * a + labels * b + seed) // 2 % 2 * 2 - 1.0 for a, b in ((1, 2), (5, 1), (7, 3), (3, 5))], axis=1
    )
    axis = np.eye(4)[(i + labels) % 4] * corner
    return np.where((i * i + labels)[:, None] % 3 == 0, axis, corner), labels


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


PEER = {
    # r_precision, map_at_r, recall@1, 2, 4, 8
    "one set": (0.4586578100585939, 0.3119631024570148,
                0.7738693467336684, 0.8994974874371859, 0.964824120603015, 0.9849246231155779),
    "query and gallery": (0.3505967643467643, 0.2032130224927079,
                          0.6416666666666667, 0.7583333333333333, 0.8416666666666667, 0.9166666666666666),
    "ties": (0.23789648622981957, 0.14499877239140224,
             0.5222222222222223, 0.6666666666666666, 0.8888888888888888, 0.9333333333333333),
    "ties in a gallery": (0.1428835978835979, 0.07498202002631388,
                          0.2222222222222222, 0.34444444444444444, 0.43333333333333335, 0.5666666666666667),
    "most are alone": (0.0967741935483871, 0.0967741935483871, *[0.0967741935483871] * 3, 0.22580645161290322),
}  # fmt: skip
"""What pytorch-metric-learning 2.9.0 (torch 2.13.0) finds: AccuracyCalculator(k=None), with recall@k as a method of its
own on the neighbours that it hands out. Its CustomKNN(CosineSimilarity()) gave the first two; of equally
near images torch.topk takes any, and may leave out one of them for the query itself, so for the others it was given
neighbours by a stable sort."""


def smooth(n, classes, seed):
    """Features whose cosines all differ, and labels, of which the first is the only one of its class."""
    i = np.arange(n)
    labels = (i * i // 9 + seed * i) % classes
    labels[0] = 99
    features = np.sin(np.outer(i + 1.0 + seed, [1.0, 2.3, 3.7, 5.1, 0.4, 8.9]))
    return features + 0.8 * np.cos(np.outer(labels + 1.0, [1.9, 0.7, 4.3, 2.2, 3.1, 6.5])), labels


@pytest.mark.parametrize(
    ("name", "asked", "gallery"),
    [
        ("one set", smooth(200, 7, 0), None),
        ("query and gallery", smooth(120, 7, 0), smooth(200, 9, 3)),
        ("ties", drawn(90, 7, 1), None),
        ("ties in a gallery", drawn(90, 7, 1), drawn(120, 9, 2)),
        ("most are alone", drawn(40, 33, 1), None),
    ],
)
def test_agrees_with_pytorch_metric_learning(name, asked, gallery):
    found = retrieval(*asked, ks=(1, 2, 4, 8), gallery=gallery)
    assert (found.r_precision, found.map_at_r, *found.recall.values()) == pytest.approx(PEER[name], abs=1e-6)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(("n", "classes"), [(60, 4), (90, 7), (40, 33)])
def test_of_equally_near_images_the_first_of_the_gallery_comes_first(n, classes, own):
    features, labels = drawn(n, classes, 1)
    gallery, of_gallery = (features, labels) if own else drawn(n + 30, classes, 2)
    found = retrieval(features, labels, ks=(1, 2, 4, 8), gallery=None if own else (gallery, of_gallery))
    recall, precision, average, asked = by_queries(
        features, labels, (1, 2, 4, 8), None if own else (gallery, of_gallery)
    )
    assert found.recall == pytest.approx(recall, abs=1e-9)
    assert (found.r_precision, found.map_at_r) == pytest.approx((precision, average), abs=1e-9)
    assert found.queries == asked


def test_a_class_that_the_gallery_lacks_asks_for_nobody():
    found = retrieval(np.eye(3), np.array([4, 5, 9]), ks=(1,), gallery=(np.eye(3)[:2], np.array([5, 4])))
    assert (found.queries, found.recall) == (2, {1: 0.0})
    assert retrieval(np.eye(2), np.array([4, 5]), ks=(1,), gallery=(np.eye(2), np.array([6, 7]))).queries == 0


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
