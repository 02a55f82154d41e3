import numpy as np
import pytest
from scipy import stats

from simo2_core.analysis.few_shot import DRAWS, episodes, estimate, k_shot


def features(spread, each=12, classes=6, seed=0):
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    return np.eye(classes)[labels] + spread * random.normal(size=(len(labels), classes)), labels


def test_the_interval_is_the_normal_one():
    values = np.array([0.5, 0.75, 1.0, 0.75, 0.25])
    low, high = stats.norm.interval(0.95, values.mean(), stats.sem(values))
    found = estimate(values)
    assert found.mean == pytest.approx(0.65, abs=1e-6)
    assert found.interval == pytest.approx((high - low) / 2, rel=1e-4)  # 1.96 for 1.959964


def test_perfect_features_need_one_label():
    bank, labels = features(0.0)
    assert k_shot(bank, labels, bank, labels, classes=6, shots=1) == (1.0, 0.0)
    assert episodes(bank, labels, classes=6, shots=1, count=20) == (1.0, 0.0)


def test_k_shot_is_the_mean_of_a_nearest_mean_over_draws():
    bank, labels = features(0.7)
    queries, truth = features(0.7, seed=1)
    found = k_shot(bank, labels, queries, truth, classes=6, shots=2)
    random, accuracies = np.random.default_rng((0, 2)), []
    for _ in range(DRAWS):
        means = []
        for c in range(6):
            rows = random.choice(np.flatnonzero(labels == c), 2, replace=False)
            means.append(np.mean([bank[row] / np.linalg.norm(bank[row]) for row in rows], axis=0))
        cosine = [[q @ m / np.linalg.norm(q) / np.linalg.norm(m) for m in means] for q in queries]
        accuracies.append(np.mean(np.argmax(cosine, axis=1) == truth))
    assert found.mean == pytest.approx(np.mean(accuracies), abs=1e-6)
    assert found.interval == pytest.approx(1.96 * np.std(accuracies, ddof=1) / DRAWS**0.5, abs=1e-6)
    assert found.interval > 0


def test_noise_is_worth_chance():
    random = np.random.default_rng(0)
    noise, labels = random.normal(size=(400, 8)), np.repeat(np.arange(8), 50)
    found = episodes(noise, labels, classes=8, shots=5, count=200)
    assert abs(found.mean - 0.2) < 3 * found.interval
    assert 0 < found.interval < 0.02


def test_an_image_is_never_learned_from_and_asked_for():
    labels = np.repeat(np.arange(5), 2)
    lonely = np.eye(10)  # each image is like no other: only itself could give it away
    assert episodes(lonely, labels, classes=5, shots=1, count=60).mean < 0.5


def test_too_few_images_or_classes_are_not_measured():
    bank, labels = features(0.1, each=3)
    assert k_shot(bank, labels, bank, labels, classes=6, shots=4) is None
    assert episodes(bank, labels, classes=6, shots=3) is None
    assert episodes(bank[:12], labels[:12], classes=4, shots=1) is None
