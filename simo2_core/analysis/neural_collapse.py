"""Neural collapse: whether a class has become a point, and the classes a frame of equal angles.

V. Papyan, X. Y. Han and D. L. Donoho, "Prevalence of neural collapse during the terminal phase of deep learning
training", PNAS 2020, arXiv 2008.08186. They measure the training set; pass whichever part is meant.

An orthonormal frame seen from its own centre is exactly the simplex frame of NC2, so what SIMO2 wants, orthogonal
classes of equal length and no spread, has NC1 = NC2 = 0.

Shape letters: n images, f features, c classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.geometry import Floats, Labels, class_means, unit_rows
from simo2_core.analysis.probe import finite_rows

_RANK = 1e-10
"""Singular values of the centred means below this share of the largest are 0: one always is, but for rounding."""


class FrameDeviation(NamedTuple):
    """How far the centred class means are from a simplex frame; all 0 when they form one."""

    lengths: float
    """Coefficient of variation of their lengths: standard deviation (over c) divided by the mean."""
    angles: float
    """Standard deviation of their cosines, over ordered pairs."""
    widest: float
    """Mean of |cosine + 1/(c-1)| over pairs: -1/(c-1) is the least cosine that c directions can share."""


def within_class(features: Floats, labels: Labels, *, classes: int) -> float:
    """NC1: trace(Σ_W pinv(Σ_B)) / c, the spread inside classes measured by that between them; 0 when collapsed.

    Σ_W is the mean over images of (x - μ_c)(x - μ_c)ᵀ, Σ_B the mean over classes of (μ_c - μ)(μ_c - μ)ᵀ, μ the mean
    of the class means. Without forming an f by f matrix: with M the (c, f) centred means, pinv(Σ_B) = c pinv(M)
    pinv(M)ᵀ, so the trace is c times the mean of |(x - μ_c) pinv(M)|².

    Args:
        features: (n, f).
        labels: (n,) integers in [0, classes), each class at least once.
    """
    features_nf, labels_n = finite_rows(features), np.asarray(labels)
    means_cf = class_means(features_nf, labels_n, classes)
    inverse_fc = np.linalg.pinv(means_cf - means_cf.mean(axis=0), rcond=_RANK)
    apart_nc = (features_nf - means_cf[labels_n]) @ inverse_fc
    return float(np.sum(apart_nc**2) / len(labels_n))


def frame(features: Floats, labels: Labels, *, classes: int) -> FrameDeviation:
    """NC2 of the class means of features (n, f), at least two classes."""
    means_cf = class_means(finite_rows(features), labels, classes)
    centred_cf = means_cf - means_cf.mean(axis=0)
    length_c = np.linalg.norm(centred_cf, axis=1)
    unit_cf = unit_rows(centred_cf)
    cosines = (unit_cf @ unit_cf.T)[~np.eye(classes, dtype=bool)]
    return FrameDeviation(
        lengths=float(np.std(length_c) / np.mean(length_c)) if length_c.any() else float("nan"),
        angles=float(np.std(cosines)),
        widest=float(np.mean(np.abs(cosines + 1 / (classes - 1)))),
    )


def self_duality(weights: NDArray[np.float64], features: Floats, labels: Labels) -> float:
    """NC3: |W/|W| - M/|M||², Frobenius norms, W a linear classifier and M the centred class means: 0 when they agree.

    Args:
        weights: (c, f) of a classifier of these features.
        features: (n, f), labels (n,), each class at least once.

    Returns:
        from 0 to 4: twice one minus their cosine.
    """
    means_cf = class_means(finite_rows(features), labels, len(weights))
    centred_cf = means_cf - means_cf.mean(axis=0)
    return float(np.sum((weights / np.linalg.norm(weights) - centred_cf / np.linalg.norm(centred_cf)) ** 2))


def disagreement(predicted: Labels, means: Floats, features: Floats) -> float:
    """NC4: the share of images for which a classifier does not choose the class with the nearest mean (Euclidean).

    Args:
        predicted: (n,) what the classifier chooses.
        means: (c, f) class means in the same space.
        features: (n, f).
    """
    features_nf, means_cf = finite_rows(features), finite_rows(means)
    # |x - m|² without the |x|² that all classes share
    apart_nc = np.sum(means_cf**2, axis=1)[None, :] - 2 * features_nf @ means_cf.T
    return float(np.mean(np.argmin(apart_nc, axis=1) != predicted))
