"""Doubts of labels, held against a loop, and against labels that were made wrong."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from simo2_core.analysis import label_errors
from simo2_core.analysis.label_errors import DOUBTED, FOLDS, TEMPERATURE, LabelDoubts, doubt_labels, vote_shares
from simo2_core.analysis.nearest import nearest_others, unit_float32
from simo2_core.errors import DivergedError


def doubts(points: np.ndarray, labels: np.ndarray, classes: int, neighbours: int = 8) -> LabelDoubts:
    return doubt_labels(points, *nearest_others(unit_float32(points), neighbours), labels, classes)


def digits(share: float) -> tuple[LabelDoubts, np.ndarray, np.ndarray]:
    """What is doubted where a share of the labels is wrong, these labels, and the right ones."""
    pixels, true = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    wrong = rng.choice(len(true), round(share * len(true)), replace=False)
    given = true.copy()
    given[wrong] = (true[wrong] + rng.integers(1, 10, len(wrong))) % 10
    return doubts(pixels, given, 10, 20), given, true


def test_the_votes_and_the_rule_are_those_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 60)
    points = rng.normal(size=(60, 3)) + 2 * np.eye(4, 3)[labels]
    near, cosines = nearest_others(unit_float32(points), 7)
    votes = np.zeros((60, 4))
    for image in range(60):
        for other, cosine in zip(near[image], cosines[image], strict=True):
            votes[image, labels[other]] += np.exp(float(cosine) / TEMPERATURE)
    votes /= votes.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(vote_shares(near, cosines, labels, 4), votes, rtol=1e-5)

    probe = rng.dirichlet(np.ones(4), 60)
    monkeypatch.setattr(label_errors, "probe_shares", lambda *_, **__: probe)
    shares = (votes + probe) / 2
    monkeypatch.setattr(label_errors, "DOUBTED", 0.6)
    found = doubt_labels(points, near, cosines, labels, 4)
    usual = [np.mean([shares[i, c] for i in range(60) if labels[i] == c]) for c in range(4)]
    for image in range(60):
        own = labels[image]
        best = max((c for c in range(4) if c != own), key=lambda c: shares[image, c])
        doubt = max(0.0, 1 - shares[image, own] / usual[own])
        assert found.suggested[image] == best
        assert found.doubt[image] == pytest.approx(doubt, abs=1e-6)
        assert found.doubted[image] == (doubt > 0.6 and shares[image, best] > shares[image, own])
        assert found.agreed[image] == (shares[image, own] >= shares[image, best])
    assert 0 < found.doubted.sum() < 60


def test_labels_that_were_made_wrong_are_found_with_the_right_ones() -> None:
    found, given, true = digits(0.05)
    wrong = given != true
    hits = found.doubted & wrong
    assert hits.sum() / wrong.sum() > 0.9
    assert hits.sum() / found.doubted.sum() > 0.9
    assert (found.suggested[hits] == true[hits]).mean() > 0.97
    assert found.doubt[hits].min() > DOUBTED


def test_right_labels_are_left_alone() -> None:
    found, _, _ = digits(0.0)
    assert found.doubted.mean() < 0.005


def test_no_judge_has_seen_the_label(monkeypatch: pytest.MonkeyPatch) -> None:
    """One image lies among others of another class: whatever it says, it is found. Also where few are fitted."""
    rng = np.random.default_rng(0)
    points = np.repeat(np.eye(2), 20, 0) + 0.01 * rng.normal(size=(40, 2))
    labels = np.repeat([0, 1], 20)
    labels[3] = 1
    for most in (1000, 10):
        monkeypatch.setattr(label_errors, "MOST_FITTED", most)
        found = doubts(points, labels, 2)
        assert np.flatnonzero(found.doubted).tolist() == [3]
        assert found.suggested[3] == 0
    for fitted, judged in label_errors._folds(labels, 0):
        assert not set(fitted) & set(judged)
        assert len(fitted) <= 10
        assert set(labels[fitted]) == {0, 1}


def test_classes_with_too_few_images_are_neither_judged_nor_suggested() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 20 + [1] * 20 + [2] * (FOLDS - 1))
    points = rng.normal(scale=0.01, size=(len(labels), 3)) + np.eye(3)[np.minimum(labels, 1)]
    found = doubts(points, labels, 4)
    assert found.unjudged.tolist() == [2], "and a class without an image is nobody's"
    assert not found.doubted.any()
    assert (found.suggested[labels == 2] == 2).all()
    assert not (found.suggested[labels < 2] >= 2).any()
    assert not doubts(points[:24], np.repeat([0, 1, 2, 3, 4, 5], 4), 6).doubted.any(), "none has enough"


def test_features_that_are_not_finite_are_refused() -> None:
    points = np.ones((20, 3))
    points[4, 1] = np.nan
    with pytest.raises(DivergedError, match="not finite"):
        doubt_labels(points, np.zeros((20, 1), int), np.ones((20, 1)), np.repeat([0, 1], 10), 2)
