"""From many dimensions to the two of a picture, and from many images to as many as a picture can hold.

Shape letters: n images, d dimensions, m images kept.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.geometry import Floats, Labels
from simo2_core.errors import ConfigError, DataError


class Plane(NamedTuple):
    """Points in the plane of their two principal components."""

    points: NDArray[np.float64]
    """(n, 2) coordinates, centred."""
    components: NDArray[np.float64]
    """(2, d) unit rows: the axes."""
    mean: NDArray[np.float64]
    """(d,) the origin."""
    explained: NDArray[np.float64]
    """(2,) share of the variance along each axis, in [0, 1]."""


def pca_2d(points: Floats) -> Plane:
    """The two directions of largest variance.

    The entry of each component that is largest in absolute value is positive, the first of equals, so the same
    points give the same picture. What has fewer than two dimensions or points gets axes of zeros in their place.

    Args:
        points: (n, d).

    Raises:
        DataError: no points, or some that are not finite.
    """
    points_nd = _finite(points)
    mean_d = points_nd.mean(axis=0)
    centred_nd = points_nd - mean_d
    variances, rows = _axes(centred_nd)
    components = np.zeros((2, points_nd.shape[1]))
    components[: len(rows[:2])] = rows[:2]
    # rounding must not choose between two equally large entries
    largest = np.argmax(np.round(np.abs(components), 9), axis=1)
    signs = np.sign(components[np.arange(2), largest])
    components *= np.where(signs == 0, 1, signs)[:, None]
    variance = np.zeros(2)
    variance[: len(variances[:2])] = variances[:2]
    total = float(variances.sum())
    return Plane(centred_nd @ components.T, components, mean_d, variance / total if total > 0 else variance)


def _axes(centred_nd: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(k,) summed squares along the principal axes, the largest first, and the axes as (k, d) unit rows.

    Of more points than dimensions the (d, d) products tell both, about 30 times as fast as the points themselves do at
    2,000 × 128: a screen that shows them waits for it. The two axes of a picture lose no digit that it could show.
    """
    if len(centred_nd) <= centred_nd.shape[1]:
        _, sigma, rows = np.linalg.svd(centred_nd, full_matrices=False)
        return sigma**2, rows
    squares, columns = np.linalg.eigh(centred_nd.T @ centred_nd)
    return np.maximum(squares[::-1], 0.0), columns.T[::-1]


def tsne_2d(points: Floats, *, perplexity: float = 30.0, seed: int = 0) -> tuple[NDArray[np.float64], float]:
    """t-SNE (van der Maaten and Hinton, JMLR 2008), by scikit-learn, begun from the principal components.

    Runs on one core: with more, sums are added in the order in which the threads finish, and the same points would
    give another picture each time. About 1 s for 500 points and 5 s for 2,000.

    Args:
        points: (n, d).
        perplexity: neighbours that count; clipped to (n - 1) / 3.

    Returns:
        (n, 2) coordinates without unit, and the perplexity used. Fewer than four points, or points that all
        coincide, have no neighbourhoods: they come back as `pca_2d` puts them, with perplexity 0.

    Raises:
        DataError: no points, or some that are not finite.
    """
    points_nd = _finite(points)
    start = pca_2d(points_nd).points
    scale = float(start[:, 0].std())
    if len(points_nd) < 4 or scale < 1e-12:
        return start, 0.0
    from sklearn.manifold import TSNE  # over a second: not for those who only want principal components
    from threadpoolctl import threadpool_limits

    used = min(perplexity, (len(points_nd) - 1) / 3)
    # float32 inside; 1e-4 is the scale that scikit-learn's own "pca" start is given
    tsne = TSNE(2, perplexity=used, init=(start / scale * 1e-4).astype(np.float32), random_state=seed, n_jobs=1)
    with threadpool_limits(limits=1):
        found = tsne.fit_transform(points_nd.astype(np.float32))
    return np.asarray(found, np.float64), used


def umap_2d(points: Floats, *, neighbours: int = 15, seed: int = 0) -> tuple[NDArray[np.float64], int]:
    """UMAP (McInnes, Healy and Melville, arXiv 1802.03426), by umap-learn, cosine distances, on one core.

    Its first call in an environment compiles for some 10 s.

    Args:
        points: (n, d).
        neighbours: that count; clipped to n - 1.

    Returns:
        (n, 2) coordinates without unit, and the neighbours used. Fewer than five points, or points that all coincide,
        come back as `pca_2d` puts them, with 0 neighbours.

    Raises:
        ConfigError: umap-learn is not installed.
        DataError: no points, or some that are not finite.
    """
    points_nd = _finite(points)
    start = pca_2d(points_nd).points
    if len(points_nd) < 5 or float(start[:, 0].std()) < 1e-12:
        return start, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba, on import and at the first call
        try:
            from umap import UMAP
        except ImportError:
            raise ConfigError("umap needs umap-learn. Install it: pip install 'simo2[umap]'.") from None
        used = min(neighbours, len(points_nd) - 1)
        scaled = (start / np.abs(start).max() * 10).astype(np.float32)
        layout = UMAP(n_neighbors=used, metric="cosine", init=scaled, random_state=seed, n_jobs=1)
        return np.asarray(layout.fit_transform(points_nd.astype(np.float32)), np.float64), used


def sample_by_class(labels: Labels, at_most: int, seed: int = 0) -> NDArray[np.int64]:
    """Rows to keep so that every class is shown: as evenly as the classes' sizes allow.

    Args:
        labels: (n,) integers.
        at_most: rows to keep.

    Returns:
        (m,) rows in ascending order, m = min(n, at_most): one of each class, then a second of each, and so on. The
        same for the same labels and seed.
    """
    labels_n = np.asarray(labels)
    if len(labels_n) <= at_most:
        return np.arange(len(labels_n))
    mixed = np.random.default_rng(seed).permutation(len(labels_n))
    by_class = mixed[np.argsort(labels_n[mixed], kind="stable")]
    _, sizes = np.unique(labels_n, return_counts=True)
    turn = np.arange(len(labels_n)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    # within a turn the larger classes come first, the order of equals being the classes' own
    order = np.lexsort((-np.repeat(sizes, sizes), turn))
    return np.sort(by_class[order[:at_most]])


def _finite(points: Floats) -> NDArray[np.float64]:
    points_nd = np.asarray(points, np.float64)
    if points_nd.ndim != 2 or not points_nd.size or not np.isfinite(points_nd).all():
        raise DataError(f"points of shape {points_nd.shape} cannot be drawn; they must be (n, d), n > 0, and finite.")
    return points_nd
