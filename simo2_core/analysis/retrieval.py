"""Retrieval: every image asks for those that are most like it, and its own class is wanted.

Source of the definitions: Musgrave, Belongie and Lim, "A Metric Learning Reality Check", arXiv 2003.08505.
Queries and gallery are one set, and no image finds itself. R is how many others there are of the query's class.

    recall@k     the share of queries with at least one of their class among the k nearest
    R-precision  the share of the R nearest that are of the query's class
    mAP@R        1/R Σ_{i ≤ R} P(i), P(i) the share among the i nearest where the i-th is of the class, and 0 where not

Shape letters: n images, f features, q queries at a time, t nearest taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.geometry import Floats, Labels, unit_rows
from simo2_core.analysis.probe import finite_rows
from simo2_core.errors import DataError

_QUERIES = 512
"""Queries compared with the gallery at once: with 10,000 images 20 MB of cosines."""


@dataclass(frozen=True)
class Retrieval:
    """Means over the queries whose class has another image, each in [0, 1]; NaN where there is none."""

    recall: dict[int, float]
    """By k."""
    r_precision: float
    map_at_r: float
    queries: int


def retrieval(features: Floats, labels: Labels, *, ks: Sequence[int]) -> Retrieval:
    """How well every image finds those of its class, by cosine.

    Args:
        features: (n, f); a row of zeros has cosine 0 with everything.
        labels: (n,) integers.
        ks: of recall, each at least 1; where the gallery is smaller, all of it counts.

    Raises:
        DataError: shapes that do not fit.
        DivergedError: features that are not finite.
    """
    labels_n = np.asarray(labels)
    if np.ndim(features) != 2 or labels_n.shape != np.shape(features)[:1]:
        raise DataError(f"features are {np.shape(features)}, labels {labels_n.shape}; they must be (n, f) and (n,).")
    _, class_n, counts = np.unique(labels_n, return_inverse=True, return_counts=True)
    wanted_n = counts[class_n] - 1
    asked = np.flatnonzero(wanted_n > 0)
    if not len(asked):
        return Retrieval(dict.fromkeys(ks, float("nan")), float("nan"), float("nan"), 0)
    unit_nf = unit_rows(finite_rows(features)).astype(np.float32)
    taken = min(len(labels_n) - 1, max(*ks, int(wanted_n.max())))
    found = dict.fromkeys(ks, 0)
    precision = average = 0.0
    for start in range(0, len(asked), _QUERIES):
        rows_q = asked[start : start + _QUERIES]
        right_qt = class_n[_nearest(unit_nf, rows_q, taken)] == class_n[rows_q][:, None]
        for k in ks:
            found[k] += int(right_qt[:, :k].any(axis=1).sum())
        wanted_q = wanted_n[rows_q]
        counted_qt = right_qt & (np.arange(taken)[None, :] < wanted_q[:, None])
        share_qt = np.cumsum(right_qt, axis=1) / np.arange(1, taken + 1)[None, :]
        precision += float((counted_qt.sum(axis=1) / wanted_q).sum())
        average += float(((share_qt * counted_qt).sum(axis=1) / wanted_q).sum())
    n = len(asked)
    return Retrieval({k: hits / n for k, hits in found.items()}, precision / n, average / n, n)


def _nearest(unit_nf: NDArray[np.float32], rows_q: NDArray[np.int64], taken: int) -> NDArray[np.int64]:
    """(q, t) the rows nearest to each of `rows_q`, itself left out, nearest first; of equals the first row."""
    cosine_qn = unit_nf[rows_q] @ unit_nf.T
    cosine_qn[np.arange(len(rows_q)), rows_q] = -np.inf
    if taken < cosine_qn.shape[1] - 1:  # a whole sort of 10,000 is ten times as slow
        near_qt = np.sort(np.argpartition(-cosine_qn, taken - 1, axis=1)[:, :taken], axis=1)
    else:
        near_qt = np.broadcast_to(np.arange(cosine_qn.shape[1]), cosine_qn.shape)
    order_qt = np.argsort(-np.take_along_axis(cosine_qn, near_qt, axis=1), axis=1, kind="stable")
    nearest: NDArray[np.int64] = np.take_along_axis(near_qt, order_qt, axis=1)[:, :taken]
    return nearest
