"""Classifiers of a few lines on frozen features: nearest class mean, and a linear probe.

Shape letters: n images to fit on, v to choose on, q to classify, f features, c classes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.geometry import Floats, Labels, class_means, unit_rows
from simo2_core.errors import DataError, DivergedError

STRENGTHS = (1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3)
"""The values of C, the inverse strength of regularisation, that a linear probe chooses from."""

MOST_ITERATIONS = 1000
"""Of L-BFGS. Separable features at C = 1000 may stop here unconverged, which the choice on validation sees."""


def nearest_class_mean(bank: Floats, bank_labels: Labels, queries: Floats, *, classes: int) -> NDArray[np.int32]:
    """The class whose mean points most nearly in the direction of each query.

    Rows are scaled to length 1, the mean of each class is taken and scaled to length 1, and the largest cosine wins;
    among equals the lowest class. Mensink et al., "Distance-based image classification", PAMI 2013, with cosines.

    Args:
        bank: (n, f).
        bank_labels: (n,) integers in [0, classes). A class without a row is never answered.
        queries: (q, f).

    Returns:
        (q,) int32 classes.

    Raises:
        DataError: an empty bank, or labels that do not fit it.
        DivergedError: features that are not finite.
    """
    if not len(bank):
        raise DataError("nearest class mean got no rows to take means of; it needs at least one.")
    directions_cf = class_directions(bank, bank_labels, classes)
    return nearest_direction(directions_cf, unit_rows(finite_rows(queries)))


def class_directions(bank: Floats, bank_labels: Labels, classes: int) -> NDArray[np.float64]:
    """The mean of the rows of each class, all scaled to length 1 before and after: (c, f), NaN where there is none."""
    return unit_rows(class_means(unit_rows(finite_rows(bank)), bank_labels, classes))


def nearest_direction(directions: NDArray[np.float64], queries: NDArray[np.float64]) -> NDArray[np.int32]:
    """The row of directions (c, f) with the largest cosine to each of queries (q, f), all of length 1: (q,) int32."""
    cosine_qc = queries @ np.nan_to_num(directions).T
    cosine_qc[:, np.isnan(directions).any(axis=1)] = -np.inf
    return np.asarray(np.argmax(cosine_qc, axis=1), np.int32)


def nearest_mean_by_r(
    bank: Floats, bank_labels: Labels, queries: Floats, *, classes: int, epsilon: float, bias: float = 0.0
) -> NDArray[np.int32]:
    """The class with the largest r(query, mean): the score that the SIMO2 loss itself gives, and nothing fitted.

    r(a, b) = (a·b + bias)² / (ε + ‖a − b‖²), see `simo2_core.loss`; rows are scaled to length 1, and the means of a
    class are not scaled again, as the loss has it. An opposite mean scores as its square does: r is blind to sign.

    Args:
        bank: (n, f).
        bank_labels: (n,) integers in [0, classes). A class without a row is never answered.
        queries: (q, f).
        epsilon: above 0.

    Returns:
        (q,) int32 classes, among equals the lowest.

    Raises:
        DivergedError: features that are not finite.
    """
    means_cf = class_means(unit_rows(finite_rows(bank)), bank_labels, classes)
    unit_qf = unit_rows(finite_rows(queries))
    known = ~np.isnan(means_cf).any(axis=1)
    products_qc = unit_qf @ np.nan_to_num(means_cf).T
    squares_q, squares_c = np.sum(unit_qf**2, axis=1), np.sum(np.nan_to_num(means_cf) ** 2, axis=1)
    apart_qc = np.maximum(squares_q[:, None] + squares_c - 2 * products_qc, 0)
    scores_qc = np.where(known, (products_qc + bias) ** 2 / (epsilon + apart_qc), -1.0)
    return np.asarray(np.argmax(scores_qc, axis=1), np.int32)


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A fitted linear probe: logistic regression on features scaled to mean 0 and deviation 1."""

    C: float
    """The inverse strength of regularisation that did best on validation."""
    validation_accuracy: float
    """What it reached there, in [0, 1]: the highest of `STRENGTHS`, so no estimate of anything else."""
    weights: NDArray[np.float64]
    """(c, f) in the scaled space, each column with mean 0, which changes no probability."""
    _bias: NDArray[np.float64]
    _mean: NDArray[np.float64]
    _scale: NDArray[np.float64]

    def scale(self, features: Floats) -> NDArray[np.float64]:
        """(q, f) features as the probe sees them."""
        return np.asarray((finite_rows(features) - self._mean) / self._scale)

    def predict(self, features: Floats) -> NDArray[np.int32]:
        """(q,) int32 classes of features (q, f)."""
        logits_qc = self.scale(features) @ self.weights.T + self._bias[None, :]
        return np.asarray(np.argmax(logits_qc, axis=1), np.int32)


def fit_linear_probe(
    features: Floats, labels: Labels, validation: Floats, validation_labels: Labels, *, classes: int
) -> LinearProbe:
    """Fits scikit-learn's multinomial logistic regression once for each of `STRENGTHS` and keeps the best.

    Each fit starts where the weaker one before it ended. Of two equally good on validation the stronger
    regularisation is kept. Nothing is fitted again on validation.

    Args:
        features: (n, f).
        labels: (n,) integers in [0, classes), each class at least once.
        validation: (v, f).
        validation_labels: (v,).

    Raises:
        DataError: a class without a row to fit on.
        DivergedError: features that are not finite.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    if len(np.unique(labels)) != classes:
        raise DataError(f"a linear probe got {len(np.unique(labels))} of {classes} classes to fit on; it needs all.")
    scaler = StandardScaler().fit(finite_rows(features))
    scaled_nf, scaled_vf = scaler.transform(finite_rows(features)), scaler.transform(finite_rows(validation))
    model = LogisticRegression(max_iter=MOST_ITERATIONS, warm_start=True)
    best: tuple[float, float, NDArray[Any], NDArray[Any]] | None = None
    for strength in STRENGTHS:
        model.set_params(C=strength)
        # one thread: on a busy machine BLAS threads waiting for each other took 80 times as long
        with warnings.catch_warnings(), threadpool_limits(limits=1):
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(scaled_nf, labels)
        accuracy = float(model.score(scaled_vf, validation_labels))
        if best is None or accuracy > best[1]:
            best = strength, accuracy, model.coef_.copy(), model.intercept_.copy()
    assert best is not None
    strength, accuracy, weights, bias = best
    if classes == 2:  # scikit-learn has one row then, the difference of the two
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return LinearProbe(
        strength, accuracy, weights - weights.mean(axis=0), bias - bias.mean(), scaler.mean_, scaler.scale_
    )


def finite_rows(features: Floats) -> NDArray[np.float64]:
    """(n, f) float64; raises DivergedError when an entry is not finite."""
    features_nf = np.asarray(features, np.float64)
    if not np.isfinite(features_nf).all():
        raise DivergedError("the features are not finite. Evaluate an earlier checkpoint of the run.")
    return features_nf
