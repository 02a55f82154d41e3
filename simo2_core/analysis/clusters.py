"""Whether the classes can be found without their labels.

Shape letters: n images, f features, c classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simo2_core.analysis.geometry import Floats, Labels, unit_rows
from simo2_core.analysis.probe import finite_rows


class Clustering(NamedTuple):
    """How k-means with as many clusters as classes agrees with the classes."""

    nmi: float
    """Normalised mutual information, arithmetic mean in the denominator, in [0, 1]."""
    ari: float
    """Adjusted Rand index: 0 by chance, 1 when the same."""
    accuracy: float
    """In [0, 1]; see `matched_accuracy`."""


def cluster(features: Floats, labels: Labels, *, classes: int, seed: int = 0) -> Clustering:
    """Scikit-learn's k-means (10 starts) on rows of length 1, and its agreement with the labels.

    Args:
        features: (n, f), n at least `classes`.
        labels: (n,) integers in [0, classes).
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    found = KMeans(classes, n_init=10, random_state=seed).fit_predict(unit_rows(finite_rows(features)))
    return Clustering(
        nmi=float(normalized_mutual_info_score(labels, found)),
        ari=float(adjusted_rand_score(labels, found)),
        accuracy=matched_accuracy(labels, found, classes=classes),
    )


def matched_accuracy(labels: Labels, clusters: Labels, *, classes: int) -> float:
    """The accuracy in [0, 1] when each cluster is named after one class, as well as can be.

    H. W. Kuhn, "The Hungarian method for the assignment problem", 1955, by scipy.

    Args:
        labels: (n,) integers in [0, classes).
        clusters: (n,) the same.
    """
    from scipy.optimize import linear_sum_assignment

    table_cc = np.zeros((classes, classes), np.int64)
    np.add.at(table_cc, (np.asarray(labels), np.asarray(clusters)), 1)
    return float(table_cc[linear_sum_assignment(table_cc, maximize=True)].sum() / len(labels))


def silhouette(features: Floats, labels: Labels) -> float | None:
    """The mean silhouette of the true classes with cosine distance, in [-1, 1], by scikit-learn.

    (b - a) / max(a, b) of an image, a its mean distance to its own class and b to the nearest other one:
    P. J. Rousseeuw, 1987.

    Args:
        features: (n, f).
        labels: (n,).

    Returns:
        None when there is one class, or an image for each.
    """
    from sklearn.metrics import silhouette_score

    if not 2 <= len(np.unique(labels)) < len(labels):
        return None
    return float(silhouette_score(unit_rows(finite_rows(features)), labels, metric="cosine"))
