"""Embedding snapshots read from a run's folder, and what a screen shows of one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis import snapshot
from simo2_core.analysis.geometry import (
    CosineDistributions,
    class_gram,
    cosine_distributions,
    most_confused_pairs,
    procrustes_align,
)
from simo2_core.analysis.one_thread import one_thread
from simo2_core.analysis.reduce import pca_2d
from simo2_core.errors import RunError
from simo2_tui.escape import steady

MOST_IMAGES = 1200
"""Images whose pairs are counted on the screen's thread: about 25 ms."""

BINS = 400
"""Bins of the cosines: finer than any screen, and drawn in as many columns as there are."""


@dataclass(frozen=True, eq=False)
class ShownSnapshot:
    """The validation embedding after `step`: `z_nd` (N, D) unit rows, `labels_n` (N,)."""

    step: int
    z_nd: NDArray[np.float32]
    labels_n: NDArray[np.int32]
    class_names: tuple[str, ...]

    @cached_property
    def similarity_cc(self) -> NDArray[np.float64]:
        """(C, C) signed cosines of the class means; NaN for a class without points."""
        with one_thread():
            return class_gram(self.z_nd, self.labels_n, len(self.class_names))

    @cached_property
    def cosines(self) -> CosineDistributions:
        """Signed cosines of same-class and of different-class pairs, counted finely."""
        with one_thread():
            return cosine_distributions(self.z_nd, self.labels_n, bins=BINS, at_most=MOST_IMAGES)

    def nearest(self, index: int, most: int) -> list[tuple[int, float]]:
        """The other images with the largest cosine to image `index`: row and cosine, the nearest first."""
        with one_thread():
            cosines = np.nan_to_num(self.z_nd @ self.z_nd[index], nan=-2.0)
        cosines[index] = -3.0
        most = max(0, min(most, len(cosines) - 1))
        rows = np.argpartition(-cosines, most)[:most] if most else np.zeros(0, np.int64)
        return [(int(row), float(cosines[row])) for row in rows[np.argsort(-cosines[rows], kind="stable")]]

    def confused_pairs(self, most: int) -> list[tuple[str, str, float]]:
        """The pairs of classes furthest from orthogonal: names and signed cosine, the worst first."""
        pairs = most_confused_pairs(self.similarity_cc, most)
        return [(self.class_names[i], self.class_names[j], value) for i, j, value in pairs]


def read_snapshot(path: Path) -> ShownSnapshot | None:
    """The snapshot in a file, or None when it is gone or damaged: a screen then shows the one before."""
    try:
        found = snapshot.read_snapshot(path)
    except RunError:
        return None
    return ShownSnapshot(found.step, found.embedding, found.labels, tuple(map(steady, found.class_names)))


class Projector:
    """Two principal components, turned onto the picture of the snapshot before: points move and do not jump.

    Principal axes have no sign, near-equal ones swap, and the loss itself leaves the embedding free to rotate.
    Bringing the same images closest to where they were takes all three out.
    """

    def __init__(self) -> None:
        self._older_n2: NDArray[np.float64] | None = None

    def project(self, z_nd: NDArray[np.float32]) -> NDArray[np.float64]:
        """(N, 2) coordinates around the origin; what is not finite is taken as 0."""
        if not len(z_nd):
            return np.zeros((0, 2))
        with one_thread():
            points_n2 = pca_2d(np.nan_to_num(z_nd)).points
            if self._older_n2 is not None and self._older_n2.shape == points_n2.shape:
                points_n2 = procrustes_align(points_n2, self._older_n2)
        self._older_n2 = points_n2
        return points_n2
