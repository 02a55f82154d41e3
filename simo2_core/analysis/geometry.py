"""How an embedding lies: directions of the classes, spread over dimensions, cosines between pairs.

numpy alone: the trainer, the plotting child and the console all call it. Cosines are signed throughout. The SIMO2
loss cannot tell +1 from -1, so a figure that dropped the sign would hide what the loss cannot see.

Shape letters: n images, d dimensions, c classes, b bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.errors import DataError

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]

OPPOSITE_COSINE = -0.9
"""Two class means with a cosine below this have settled opposite, which the published loss allows."""

RIGHT_ANGLE = 0.1
"""A pair with an absolute cosine below this stands at a right angle, where the SIMO2 loss hardly moves it: for small
cosines c the slope of a same-class pair is c."""

PAIR_IMAGES = 2048
"""Images whose pairs `cosine_distributions` counts: 2.1 million pairs in about 70 ms on one core."""


def class_means(embeddings: Floats, labels: Labels, classes: int) -> NDArray[np.float64]:
    """The mean embedding of each class, not re-normalised.

    Args:
        embeddings: (n, d).
        labels: (n,) integers in [0, classes).

    Returns:
        (c, d) float64; a class without images has a row of NaN.
    """
    embeddings_nd, labels_n = _checked(embeddings, labels)
    if labels_n.size and (labels_n.min() < 0 or labels_n.max() >= classes):
        raise DataError(f"labels run from {labels_n.min()} to {labels_n.max()}; they must be 0 to {classes - 1}.")
    counts_c = np.bincount(labels_n, minlength=classes)
    sums_cd = np.zeros((classes, embeddings_nd.shape[1]))
    np.add.at(sums_cd, labels_n, embeddings_nd)
    return sums_cd / np.where(counts_c > 0, counts_c, np.nan)[:, None]


def class_gram(embeddings: Floats, labels: Labels, classes: int) -> NDArray[np.float64]:
    """Signed cosines between the class means: what the loss wants to be the identity.

    `gram[i, j] = m_i·m_j / (|m_i| |m_j|)`. A mean of length 0 has no direction and gets cosine 0 with the others.

    Args:
        embeddings: (n, d).
        labels: (n,) integers in [0, classes).

    Returns:
        (c, c) float64 in [-1, 1], symmetric, diagonal 1; rows and columns of a class without images are NaN.
    """
    means_cd = class_means(embeddings, labels, classes)
    gram_cc = np.clip(unit_rows(means_cd) @ unit_rows(means_cd).T, -1, 1)
    np.fill_diagonal(gram_cc, np.where(np.isnan(means_cd).any(axis=1), np.nan, 1.0))
    return gram_cc


def largest_class_cosine(gram: NDArray[np.float64]) -> float:
    """The signed entry off the diagonal of `class_gram` (c, c) that is largest in absolute value; NaN if none is."""
    pairs = most_confused_pairs(gram, 1)
    return pairs[0][2] if pairs else float("nan")


def least_class_cosine(gram: NDArray[np.float64]) -> float:
    """The least entry off the diagonal of `class_gram` (c, c); NaN if none is known."""
    cosines = gram[np.triu_indices(len(gram), 1)]
    known = cosines[np.isfinite(cosines)]
    return float(known.min()) if len(known) else float("nan")


def most_confused_pairs(gram: NDArray[np.float64], at_most: int) -> list[tuple[int, int, float]]:
    """The pairs of classes furthest from orthogonal: (i, j, signed cosine), i < j, largest |cosine| first.

    Pairs with equal |cosine| keep the order of (i, j); a pair with a class without images is left out.
    """
    first, second = np.triu_indices(len(gram), 1)
    cosines = gram[first, second]
    known = np.isfinite(cosines)
    first, second, cosines = first[known], second[known], cosines[known]
    order = np.argsort(-np.abs(cosines), kind="stable")[:at_most]
    return [(int(first[p]), int(second[p]), float(cosines[p])) for p in order]


def opposite_share(gram: NDArray[np.float64]) -> float:
    """The share of pairs of different classes of `class_gram` (c, c) that are opposite; NaN without pairs."""
    cosines = gram[np.triu_indices(len(gram), 1)]
    cosines = cosines[np.isfinite(cosines)]
    return float(np.mean(cosines < OPPOSITE_COSINE)) if cosines.size else float("nan")


def mean_squared_cosine(gram: NDArray[np.float64]) -> float:
    """The mean of cos² over pairs of different classes of `class_gram` (c, c): 0 when orthogonal; NaN without pairs."""
    cosines = gram[np.triu_indices(len(gram), 1)]
    cosines = cosines[np.isfinite(cosines)]
    return float(np.mean(cosines**2)) if cosines.size else float("nan")


def effective_rank(embeddings: Floats) -> float:
    """Over how many dimensions the embedding is spread: exp of the entropy of its singular values.

    `exp(-Σ p_k log p_k)` with `p_k = σ_k / Σ σ`, the singular values of the (n, d) matrix as it is, not centred,
    so C orthogonal classes of equal size and no spread give exactly C. RankMe: Garrido, Balestriero, Najman and
    LeCun, 2023, arXiv 2210.02885, without the 1e-7 that the paper adds to each p_k (0 log 0 is 0 here).

    Args:
        embeddings: (n, d).

    Returns:
        from 1 (collapsed to a line) to min(n, d); 0 when every entry is 0; NaN when one is not finite.
    """
    embeddings_nd = np.asarray(embeddings, np.float64)
    if not np.isfinite(embeddings_nd).all():
        return float("nan")
    sigma = np.linalg.svd(embeddings_nd, compute_uv=False)
    if not sigma.size or sigma[0] == 0:
        return 0.0
    share = sigma[sigma > 0] / sigma.sum()
    return float(np.exp(-np.sum(share * np.log(share))))


def rank_inside_classes(embeddings: Floats, labels: Labels) -> float:
    """Over how many directions the images of one class spread: the mean over classes of their `effective_rank`.

    The rows of a class are scaled to length 1 and not centred, so a class whose images all point one way has 1.

    Args:
        embeddings: (n, d).
        labels: (n,) integers.

    Returns:
        from 1 to d, over the classes with two images or more; NaN when there is none.
    """
    embeddings_nd, labels_n = _checked(embeddings, labels)
    unit_nd = unit_rows(embeddings_nd)
    present, counts = np.unique(labels_n, return_counts=True)
    return _mean(np.array([effective_rank(unit_nd[labels_n == c]) for c in present[counts > 1]]))


@dataclass(frozen=True, eq=False)
class CosineDistributions:
    """Signed cosines of pairs of images, for pairs of the same class and of different classes."""

    edges: NDArray[np.float64]
    """(b + 1,) from -1 to 1, equally wide."""
    same: NDArray[np.int64]
    """(b,) number of same-class pairs in each bin."""
    different: NDArray[np.int64]
    """(b,) number of different-class pairs in each bin."""
    same_mean: float
    """Mean signed cosine of same-class pairs; NaN when there is none."""
    different_mean: float
    """Mean signed cosine of different-class pairs; NaN when there is none."""
    different_mean_abs: float
    """Mean absolute cosine of different-class pairs, 0 when all are orthogonal; NaN when there is none."""
    images: int
    """Images whose pairs were counted: all of them, or `PAIR_IMAGES` drawn from more."""
    same_right_angle: float
    """Share of same-class pairs with an absolute cosine below `RIGHT_ANGLE`; NaN when there is none."""


def cosine_distributions(
    embeddings: Floats, labels: Labels, bins: int = 80, *, at_most: int = PAIR_IMAGES, seed: int = 0
) -> CosineDistributions:
    """Counts the signed cosines of all pairs of images, or of all pairs of `at_most` images drawn from more.

    Args:
        embeddings: (n, d); rows need not have length 1, and a row of zeros has cosine 0 with everything.
        labels: (n,) integers.
        bins: cells of equal width over [-1, 1].
        at_most: images drawn, the same ones each time for the same n and seed.
    """
    embeddings_nd, labels_n = _checked(embeddings, labels)
    if len(labels_n) > at_most:
        rows = np.sort(np.random.default_rng(seed).choice(len(labels_n), at_most, replace=False))
        embeddings_nd, labels_n = embeddings_nd[rows], labels_n[rows]
    unit_nd = unit_rows(embeddings_nd)
    cosine_nn = np.clip(unit_nd @ unit_nd.T, -1, 1)
    upper_nn = np.triu(np.ones(cosine_nn.shape, bool), 1)
    equal_nn = labels_n[:, None] == labels_n[None, :]
    same, different = cosine_nn[upper_nn & equal_nn], cosine_nn[upper_nn & ~equal_nn]
    return CosineDistributions(
        edges=np.linspace(-1, 1, bins + 1),
        same=_histogram(same, bins),
        different=_histogram(different, bins),
        same_mean=_mean(same),
        different_mean=_mean(different),
        different_mean_abs=_mean(np.abs(different)),
        images=len(labels_n),
        same_right_angle=_mean(np.abs(same) < RIGHT_ANGLE),
    )


def procrustes_align(points: Floats, reference: Floats) -> NDArray[np.float64]:
    """`points` turned (and mirrored if need be) to lie as near as possible to `reference`; neither moved nor scaled.

    The orthogonal matrix R that minimises |points R - reference|: R = U Vᵀ with U S Vᵀ the singular value
    decomposition of pointsᵀ reference. P. H. Schönemann, Psychometrika 31, 1966. Distances and the origin stay, so
    two snapshots of a scatter can be told apart by what moved and not by a flipped axis.

    Args:
        points: (n, d).
        reference: (n, d), the same n things.

    Returns:
        (n, d) float64.
    """
    points_nd, reference_nd = np.asarray(points, np.float64), np.asarray(reference, np.float64)
    if points_nd.ndim != 2 or points_nd.shape != reference_nd.shape:
        raise DataError(f"points are {points_nd.shape} and the reference {reference_nd.shape}; both must be (n, d).")
    left, _, right = np.linalg.svd(points_nd.T @ reference_nd)
    aligned: NDArray[np.float64] = points_nd @ (left @ right)
    return aligned


def _checked(embeddings: Floats, labels: Labels) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    embeddings_nd, labels_n = np.asarray(embeddings, np.float64), np.asarray(labels)
    if embeddings_nd.ndim != 2 or labels_n.shape != embeddings_nd.shape[:1]:
        raise DataError(f"embeddings are {embeddings_nd.shape}, labels {labels_n.shape}; they must be (n, d) and (n,).")
    return embeddings_nd, labels_n.astype(np.int64)


def unit_rows(rows_nd: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, d) rows of length 1; a row of zeros stays zero."""
    length_n1 = np.linalg.norm(rows_nd, axis=1, keepdims=True)
    unit_nd: NDArray[np.float64] = rows_nd / np.where(length_n1 == 0, 1, length_n1)
    return unit_nd


def _histogram(cosines: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    # equal bins need no search: a tenth of np.histogram's time on two million pairs
    finite = cosines[np.isfinite(cosines)]
    cell = np.minimum(((finite + 1) * (bins / 2)).astype(np.int64), bins - 1)
    return np.bincount(cell, minlength=bins).astype(np.int64)


def _mean(values: NDArray[Any]) -> float:
    return float(np.mean(values)) if values.size else float("nan")
