"""Alignment and uniformity: how near same-class images lie on the sphere, and how evenly all of them cover it.

T. Wang and P. Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the
Hypersphere", 2020, arXiv 2005.10242, with α = 2 and t = 2 as there. A positive pair here is a pair of one class.

Shape letters: n images, d dimensions, c classes.
"""

from __future__ import annotations

import numpy as np

from simo2_core.analysis.geometry import Floats, Labels, unit_rows
from simo2_core.analysis.probe import finite_rows

_ROWS = 1024
"""Rows compared with all others at once."""


def alignment(features: Floats, labels: Labels) -> float:
    """The mean of |x - y|² over all pairs x, y of one class, rows scaled to length 1: 0 is best, 4 the largest.

    Without a loop over pairs: the n_c rows of a class with sum s have Σ|x - y|² = n_c Σ|x|² - |s|² over pairs.

    Args:
        features: (n, d).
        labels: (n,) integers.

    Returns:
        NaN when no class has two images.
    """
    unit_nd, labels_n = unit_rows(finite_rows(features)), np.asarray(labels)
    total, pairs = 0.0, 0
    for label in np.unique(labels_n):
        own_nd = unit_nd[labels_n == label]
        total += len(own_nd) * float(np.sum(own_nd**2)) - float(np.sum(own_nd.sum(axis=0) ** 2))
        pairs += len(own_nd) * (len(own_nd) - 1) // 2
    return max(total, 0.0) / pairs if pairs else float("nan")


def uniformity(features: Floats) -> float:
    """The log of the mean of exp(-2 |x - y|²) over all pairs, rows scaled to length 1: 0 at worst, when collapsed.

    Args:
        features: (n, d).

    Returns:
        NaN when there is no pair.
    """
    unit_nd = unit_rows(finite_rows(features))
    count = len(unit_nd)
    if count < 2:
        return float("nan")
    square_n = np.sum(unit_nd**2, axis=1)
    total = 0.0
    for start in range(0, count, _ROWS):
        rows = slice(start, start + _ROWS)
        apart = np.maximum(square_n[rows, None] + square_n[None, :] - 2 * unit_nd[rows] @ unit_nd.T, 0)
        total += float(np.exp(-2 * apart).sum())
    ordered = count * (count - 1)
    return float(np.log((total - count) / ordered))  # each row met itself once, at distance 0
