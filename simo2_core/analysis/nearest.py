"""Which rows of a matrix lie nearest to each other, none to itself.

Shape letters: n rows, f features, k neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.geometry import Floats

_CHUNK = 256
"""Rows compared with all others at once."""


def unit_float32(rows: Floats) -> NDArray[np.float32]:
    """(n, f) rows of length 1; one of zeros stays so."""
    rows_nf = np.asarray(rows, np.float32)
    lengths = np.linalg.norm(rows_nf, axis=1, keepdims=True)
    return np.asarray(rows_nf / np.maximum(lengths, 1e-12), np.float32)


def nearest_others(unit: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The rows with the largest cosine to each, the largest first, and these cosines: (n, k) each.

    Args:
        unit: (n, f) rows of length 1.
        count: k, from 1 to n - 1.
    """
    ids, cosines = np.zeros((len(unit), count), np.int64), np.zeros((len(unit), count), np.float32)
    for start in range(0, len(unit), _CHUNK):
        cosine = unit[start : start + _CHUNK] @ unit.T
        rows = np.arange(len(cosine))
        cosine[rows, start + rows] = -2  # none is next to itself
        some = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(cosine, some, 1)
        order = np.argsort(-near, axis=1, kind="stable")
        ids[start : start + _CHUNK] = np.take_along_axis(some, order, 1)
        cosines[start : start + _CHUNK] = np.take_along_axis(near, order, 1)
    return ids, cosines


def above(unit: NDArray[np.float32], least: float) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
    """Each row that has earlier ones at a cosine of at least `least`: its number, theirs, and the cosines."""
    for start in range(0, len(unit), _CHUNK):
        cosine = unit[start : start + _CHUNK] @ unit[: start + _CHUNK].T
        for place in np.flatnonzero((cosine >= least).any(axis=1)).tolist():
            row = cosine[place, : start + place]
            earlier = np.flatnonzero(row >= least)
            if len(earlier):
                yield start + place, earlier, row[earlier]
