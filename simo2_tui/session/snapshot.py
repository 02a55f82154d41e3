"""Embedding snapshots read from a run's folder, and what a screen shows of one."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MOST_PAIRS = 20_000
"""Cosines drawn for the histogram: more would not change a bar by a pixel."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The validation embedding after `step`: `z_nd` (N, D) unit rows, `labels_n` (N,)."""

    step: int
    z_nd: NDArray[np.float32]
    labels_n: NDArray[np.int32]
    class_names: tuple[str, ...]

    @cached_property
    def similarity_cc(self) -> NDArray[np.float64]:
        """(C, C) signed cosines of the class means; 0 for a class without points."""
        classes = len(self.class_names)
        sums_cd = np.zeros((classes, self.z_nd.shape[1]))
        np.add.at(sums_cd, self.labels_n, np.nan_to_num(self.z_nd.astype(np.float64)))
        unit_cd = sums_cd / np.maximum(np.linalg.norm(sums_cd, axis=1, keepdims=True), 1e-12)
        return np.asarray(unit_cd @ unit_cd.T)

    @cached_property
    def cosines(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Signed cosines of same-class and of different-class pairs, at most `MOST_PAIRS` of each, evenly picked."""
        rows = np.arange(len(self.z_nd))
        if len(rows) > 1500:  # 1500² pairs are plenty, and a bigger matrix would stall the screen
            rows = rows[:: -(-len(rows) // 1500)]
        z_nd, labels = self.z_nd[rows].astype(np.float64), self.labels_n[rows]
        first, second = np.triu_indices(len(rows), 1)
        values = (z_nd @ z_nd.T)[first, second]
        same = labels[first] == labels[second]
        return _thin(values[same]), _thin(values[~same])

    def confused_pairs(self, most: int) -> list[tuple[str, str, float]]:
        """The pairs of classes furthest from orthogonal: names and signed cosine, the worst first."""
        similarity = self.similarity_cc
        first, second = np.triu_indices(len(similarity), 1)
        values = similarity[first, second]
        worst = np.argsort(-np.abs(values), kind="stable")[:most]
        return [(self.class_names[first[i]], self.class_names[second[i]], float(values[i])) for i in worst]

    def nearest(self, row: int, most: int) -> NDArray[np.int64]:
        """The rows most alike to `row` (by cosine), itself left out."""
        cosines = self.z_nd @ self.z_nd[row]
        cosines[row] = -np.inf
        return np.argsort(-cosines, kind="stable")[:most]


def _thin(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[:: max(1, -(-len(values) // MOST_PAIRS))]


def read_snapshot(path: Path) -> Snapshot | None:
    """The snapshot in a file, or None when it is gone or damaged: a screen then shows the one before."""
    try:
        with np.load(path, allow_pickle=False) as data:
            names = tuple(str(name) for name in data["class_names"])
            return Snapshot(int(data["step"]), data["embedding"], data["labels"].astype(np.int32), names)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


class Projector:
    """Two principal components, turned onto the picture of the snapshot before: points move and do not jump.

    Principal axes have no sign, near-equal ones swap, and the loss itself leaves the embedding free to rotate. The
    rotation or reflection that brings the same images closest to where they were (orthogonal Procrustes, Schönemann
    1966) takes all three out.
    """

    def __init__(self) -> None:
        self._older_n2: NDArray[np.float64] | None = None

    def project(self, z_nd: NDArray[np.float32]) -> NDArray[np.float64]:
        """(N, 2) coordinates around the origin."""
        z = np.nan_to_num(z_nd.astype(np.float64))
        if len(z) < 2 or z.shape[1] < 2:
            return np.zeros((len(z), 2))
        centred = z - z.mean(axis=0)
        _, vectors = np.linalg.eigh(centred.T @ centred)
        points_n2 = centred @ vectors[:, ::-1][:, :2]
        older = self._older_n2
        if older is not None and older.shape == points_n2.shape:
            left, _, right = np.linalg.svd(points_n2.T @ older)
            points_n2 = points_n2 @ (left @ right)
        self._older_n2 = np.asarray(points_n2)
        return self._older_n2
