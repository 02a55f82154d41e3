import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from simo2_core.analysis import metrics
from simo2_core.analysis.metrics import knn_accuracy, knn_predict
from simo2_core.errors import ConfigError, DataError, DivergedError


def knn_by_hand(queries, bank, labels, classes, k, temperature):
    """The definition, one query and one neighbour at a time, in float64."""
    answers = []
    for query in queries.astype(np.float64):
        cosines = []
        for row in bank.astype(np.float64):
            lengths = np.linalg.norm(query) * np.linalg.norm(row)
            cosines.append(query @ row / lengths if lengths > 0 else 0.0)
        votes = np.zeros(classes)
        for index in sorted(range(len(bank)), key=lambda i: -cosines[i])[:k]:
            votes[labels[index]] += np.exp(cosines[index] / temperature)
        answers.append(int(votes.argmax()))
    return np.array(answers)


def test_agrees_with_scikit_learn_on_real_digits():
    pixels, labels = load_digits(return_X_y=True)
    train, test = np.arange(1797) % 5 != 0, np.arange(1797) % 5 == 0
    theirs = KNeighborsClassifier(20, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / 0.07))
    theirs.fit(pixels[train], labels[train])
    ours = knn_predict(pixels[test], pixels[train], labels[train], classes=10)
    assert ours.dtype == np.int32
    np.testing.assert_array_equal(ours, theirs.predict(pixels[test]))
    accuracy = knn_accuracy(pixels[test], labels[test], pixels[train], labels[train], classes=10)
    assert accuracy == pytest.approx(theirs.score(pixels[test], labels[test]), abs=1e-12)
    assert 0.95 < accuracy < 1


@settings(max_examples=25, deadline=None)
@given(
    data=arrays(np.int8, (18, 3), elements=st.integers(-3, 3)),
    labels=arrays(np.int32, 11, elements=st.integers(0, 3)),
    k=st.sampled_from([1, 4, 11, 50]),
)
def test_agrees_with_the_definition(data, labels, k):
    queries, bank = data[:7], data[7:]
    # where two classes tie but for rounding, either answer is right
    expected = knn_by_hand(queries, bank, labels, 4, k, 0.5)
    ours = knn_predict(queries, bank, labels, classes=4, k=k, temperature=0.5)
    for query, ours_c, expected_c in zip(queries, ours, expected, strict=True):
        if ours_c != expected_c:
            assert near_tie(query, bank, labels, k, ours_c, expected_c)


def near_tie(query, bank, labels, k, one, other):
    unit = bank / np.maximum(np.linalg.norm(bank, axis=1, keepdims=True), 1e-12)
    cosines = unit @ (query / max(np.linalg.norm(query), 1e-12))
    kth = np.sort(cosines)[::-1][min(k, len(bank)) - 1]
    weights = np.exp(cosines / 0.5)
    sure = cosines > kth + 1e-6
    edge = np.abs(cosines - kth) <= 1e-6  # any of these may be the last neighbours
    gap = weights[sure & (labels == one)].sum() - weights[sure & (labels == other)].sum()
    return abs(gap) <= weights[edge].sum() + 1e-5


def test_bank_and_queries_in_pieces_give_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    queries, bank = rng.normal(size=(101, 8)), rng.normal(size=(2500, 8))
    labels = rng.integers(0, 7, 2500)
    whole = knn_predict(queries, bank, labels, classes=7, chunk=512)
    monkeypatch.setattr(metrics, "BANK_CHUNK", 1024)  # 2500 rows: two full chunks and an odd one
    np.testing.assert_array_equal(knn_predict(queries, bank, labels, classes=7, chunk=64), whole)
    np.testing.assert_array_equal(whole[:20], knn_by_hand(queries[:20], bank, labels, 7, 20, 0.07))


def test_k_beyond_a_chunk_of_the_bank(monkeypatch):
    rng = np.random.default_rng(1)
    queries, bank, labels = rng.normal(size=(9, 4)), rng.normal(size=(3000, 4)), rng.integers(0, 3, 3000)
    monkeypatch.setattr(metrics, "BANK_CHUNK", 1024)
    ours = knn_predict(queries, bank, labels, classes=3, k=2000, temperature=0.2)
    np.testing.assert_array_equal(ours, knn_by_hand(queries, bank, labels, 3, 2000, 0.2))


def test_odd_numbers_of_queries_compile_once():
    rng = np.random.default_rng(2)
    bank, labels = rng.normal(size=(100, 5)), rng.integers(0, 3, 100)
    knn_predict(rng.normal(size=(256, 5)), bank, labels, classes=3, chunk=128)
    before = metrics._compiled_vote()._cache_size()
    for size in (129, 200, 255, 300, 1001):
        knn_predict(rng.normal(size=(size, 5)), bank, labels, classes=3, chunk=128)
    assert metrics._compiled_vote()._cache_size() == before


def test_ties_go_to_the_lowest_class():
    bank = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    query = np.array([[1.0, 0.0]])
    assert knn_predict(query, bank, np.array([2, 1, 3]), classes=4, k=3).tolist() == [1]
    assert knn_predict(query, bank, np.array([2, 1, 3]), classes=4, k=1).tolist() == [2]  # the lower row is nearer


def test_zero_huge_and_tiny_rows_are_safe():
    bank = np.array([[0, 0], [1e30, 1e30], [1e-30, -1e-30]], np.float32)
    queries = np.array([[1e-30, 1e-30], [3e20, -3e20], [0, 0]], np.float32)
    assert knn_predict(queries, bank, np.array([0, 1, 2]), classes=3, k=1).tolist() == [1, 2, 0]


def test_a_low_temperature_does_not_overflow():
    bank = np.array([[1.0, 0.0], [0.9, 0.1], [0.9, 0.1]])
    assert knn_predict(np.array([[1.0, 0.0]]), bank, np.array([1, 0, 0]), classes=2, temperature=1e-3).tolist() == [1]


def test_refuses_what_has_no_answer():
    rows, labels = np.ones((3, 2)), np.array([0, 1, 2])
    with pytest.raises(DataError, match="0 to 1"):
        knn_predict(rows, rows, labels, classes=2)
    with pytest.raises(DataError, match="at least one row"):
        knn_predict(rows, rows[:0], labels[:0], classes=2)
    with pytest.raises(DataError, match=r"\(q, f\)"):
        knn_predict(rows, np.ones((3, 4)), labels, classes=3)
    with pytest.raises(DataError, match="at least one"):
        knn_accuracy(rows[:0], labels[:0], rows, labels, classes=3)
    with pytest.raises(DivergedError, match="queries"):
        knn_predict(rows * np.nan, rows, labels, classes=3)
    with pytest.raises(ConfigError, match="k is 0"):
        knn_predict(rows, rows, labels, classes=3, k=0)
    assert knn_predict(rows[:0], rows, labels, classes=3).shape == (0,)


def test_several_k_in_one_search_are_what_each_finds_alone():
    rng = np.random.default_rng(3)
    queries, bank, labels = rng.normal(size=(70, 6)), rng.normal(size=(300, 6)), rng.integers(0, 5, 300)
    each = metrics.knn_predict_each(queries, bank, labels, classes=5, ks=(1, 10, 500), temperature=1.0)
    for found, k in zip(each, (1, 10, 300), strict=True):
        np.testing.assert_array_equal(found, knn_predict(queries, bank, labels, classes=5, k=k, temperature=1.0))
        np.testing.assert_array_equal(found, knn_by_hand(queries, bank, labels, 5, k, 1.0))
    assert len({tuple(found) for found in each.tolist()}) == 3
