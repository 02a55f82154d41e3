import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from simo2_core.analysis import probe
from simo2_core.analysis.probe import fit_linear_probe, nearest_class_mean
from simo2_core.errors import DataError, DivergedError

PIXELS, LABELS = load_digits(return_X_y=True)
PIXELS, LABELS = PIXELS[:600], LABELS[:600].astype(np.int32)


def test_nearest_class_mean_is_one_neighbour_among_the_means():
    unit = PIXELS / np.linalg.norm(PIXELS, axis=1, keepdims=True)
    means = np.stack([unit[:400][LABELS[:400] == c].mean(axis=0) for c in range(10)])
    theirs = KNeighborsClassifier(1, metric="cosine").fit(means, np.arange(10)).predict(PIXELS[400:])
    ours = nearest_class_mean(PIXELS[:400], LABELS[:400], PIXELS[400:], classes=10)
    np.testing.assert_array_equal(ours, theirs)
    assert 0.7 < np.mean(ours == LABELS[400:]) < 1


def test_nearest_class_mean_by_hand():
    bank = np.array([[1.0, 0.0], [9.0, 0.0], [0.0, 2.0], [0.0, 5.0]])
    found = nearest_class_mean(bank, np.array([0, 0, 2, 2]), np.array([[3.0, 1.0], [1.0, 3.0], [-1, -1]]), classes=4)
    assert found.tolist() == [0, 2, 0], "class 1 and 3 have no image, and of equals the lowest wins"


def test_linear_probe_is_scikit_learns_with_the_strength_that_validation_chose():
    parts = PIXELS[:300], PIXELS[300:400], PIXELS[400:]
    ours = fit_linear_probe(parts[0], LABELS[:300], parts[1], LABELS[300:400], classes=10)
    scaler = StandardScaler().fit(parts[0])
    scores, models = [], []
    for strength in probe.STRENGTHS:
        models.append(LogisticRegression(C=strength, max_iter=10_000).fit(scaler.transform(parts[0]), LABELS[:300]))
        scores.append(models[-1].score(scaler.transform(parts[1]), LABELS[300:400]))
    best = int(np.argmax(scores))
    assert probe.STRENGTHS[best] == ours.C
    assert ours.validation_accuracy == pytest.approx(scores[best], abs=1e-6)
    np.testing.assert_array_equal(ours.predict(parts[2]), models[best].predict(scaler.transform(parts[2])))
    np.testing.assert_allclose(ours.weights.mean(axis=0), 0, atol=1e-12)
    assert len(set(scores)) > 1


def test_linear_probe_of_two_classes():
    some = LABELS < 2
    pixels, labels = PIXELS[some], LABELS[some]
    ours = fit_linear_probe(pixels[:60], labels[:60], pixels[60:80], labels[60:80], classes=2)
    assert ours.weights.shape == (2, 64)
    assert np.mean(ours.predict(pixels[80:]) == labels[80:]) == 1


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(DataError, match="10 of 11 classes"):
        fit_linear_probe(PIXELS, LABELS, PIXELS, LABELS, classes=11)
    with pytest.raises(DataError, match="no rows"):
        nearest_class_mean(PIXELS[:0], LABELS[:0], PIXELS, classes=10)
    with pytest.raises(DivergedError, match="not finite"):
        nearest_class_mean(PIXELS * np.nan, LABELS, PIXELS, classes=10)
