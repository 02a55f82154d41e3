"""kNN at the size of CIFAR-10 against scikit-learn's; run by name: pytest tests/benchmarks/test_knn.py -s."""

import time

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from simo2_core.analysis import metrics
from simo2_core.analysis.metrics import knn_predict, knn_predict_each


def test_fifty_thousand_by_ten_thousand():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(10, 128))
    labels = {"bank": rng.integers(0, 10, 50_000), "queries": rng.integers(0, 10, 10_000)}
    rows = {
        part: (centres[own] + 3 * rng.normal(size=(len(own), 128))).astype(np.float32) for part, own in labels.items()
    }
    seconds = {}
    for name, ks in (
        ("k 20, compiled for the first time", (20,)),
        ("k 20", (20,)),
        ("k 1, 10, 20 and 200", (1, 10, 20, 200)),
    ):
        start = time.perf_counter()
        found = knn_predict_each(rows["queries"], rows["bank"], labels["bank"], classes=10, ks=ks)
        seconds[name] = time.perf_counter() - start
    tile = 512 * metrics.BANK_CHUNK * 4 / 1e6
    print(
        f"\n{', '.join(f'{name}: {value:.2f} s' for name, value in seconds.items())}; {tile:.0f} MB of cosines at once"
    )
    assert max(seconds.values()) < 10

    theirs = KNeighborsClassifier(20, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / 0.07))
    theirs.fit(rows["bank"].astype(np.float64), labels["bank"])
    np.testing.assert_array_equal(found[2, :2000], theirs.predict(rows["queries"][:2000].astype(np.float64)))
    alone = knn_predict(rows["queries"][:2000], rows["bank"], labels["bank"], classes=10)
    np.testing.assert_array_equal(found[2, :2000], alone)
    assert 0.3 < np.mean(found[2] == labels["queries"]) < 0.99, "neither chance nor solved"
