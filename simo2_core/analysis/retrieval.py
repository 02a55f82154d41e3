"""Retrieval: every image asks for those that are most like it, and its own class is wanted.

Source of the definitions: Musgrave, Belongie and Lim, "A Metric Learning Reality Check", arXiv 2003.08505.
Queries and gallery are one set, where no image finds itself, or two. R is how many of the query's class there are to
find. Of equally near images the first of the gallery comes first.

    recall@k     the share of queries with at least one of their class among the k nearest
    R-precision  the share of the R nearest that are of the query's class
    mAP@R        1/R Σ_{i ≤ R} P(i), P(i) the share among the i nearest where the i-th is of the class, and 0 where not

Shape letters: n images, m of the gallery, f features, q queries at a time, t nearest taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.geometry import Floats, Labels, unit_rows
from simo2_core.analysis.probe import finite_rows
from simo2_core.errors import DataError

_QUERIES = 512
"""Queries compared with the gallery at once: with 10,000 images 20 MB of cosines."""


@dataclass(frozen=True)
class Retrieval:
    """Means over the queries whose class has an image to find, each in [0, 1]; NaN where there is none."""

    recall: dict[int, float]
    """By k."""
    r_precision: float
    map_at_r: float
    queries: int


def retrieval(
    features: Floats, labels: Labels, *, ks: Sequence[int], gallery: tuple[Floats, Labels] | None = None
) -> Retrieval:
    """How well every image finds those of its class, by cosine.

    Args:
        features: (n, f); a row of zeros has cosine 0 with everything.
        labels: (n,) integers.
        ks: of recall, each at least 1; where the gallery is smaller, all of it counts.
        gallery: (m, f) and (m,), where to look; the other images of `features` by default.

    Raises:
        DataError: shapes that do not fit.
        DivergedError: features that are not finite.
    """
    own = gallery is None
    unit_nf, labels_n = _checked(features, labels)
    unit_mf, labels_m = (unit_nf, labels_n) if gallery is None else _checked(*gallery)
    classes, class_m, counts = np.unique(labels_m, return_inverse=True, return_counts=True)
    class_n = np.searchsorted(classes, labels_n)
    class_n = np.where(np.isin(labels_n, classes), class_n, len(classes))  # which nobody in the gallery has
    wanted_n = np.append(counts, 0)[class_n] - own
    asked = np.flatnonzero(wanted_n > 0)
    if not len(asked):
        return Retrieval(dict.fromkeys(ks, float("nan")), float("nan"), float("nan"), 0)
    taken = min(len(labels_m) - own, max(*ks, int(wanted_n.max())))
    found = dict.fromkeys(ks, 0)
    precision = average = 0.0
    for start in range(0, len(asked), _QUERIES):
        rows_q = asked[start : start + _QUERIES]
        near_qt = _nearest(unit_nf[rows_q], unit_mf, rows_q if own else None, taken)
        right_qt = class_m[near_qt] == class_n[rows_q][:, None]
        for k in ks:
            found[k] += int(right_qt[:, :k].any(axis=1).sum())
        wanted_q = wanted_n[rows_q]
        counted_qt = right_qt & (np.arange(taken)[None, :] < wanted_q[:, None])
        share_qt = np.cumsum(right_qt, axis=1) / np.arange(1, taken + 1)[None, :]
        precision += float((counted_qt.sum(axis=1) / wanted_q).sum())
        average += float(((share_qt * counted_qt).sum(axis=1) / wanted_q).sum())
    n = len(asked)
    return Retrieval({k: hits / n for k, hits in found.items()}, precision / n, average / n, n)


def _checked(features: Floats, labels: Labels) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Unit rows (n, f) and labels (n,)."""
    labels_n = np.asarray(labels)
    if np.ndim(features) != 2 or labels_n.shape != np.shape(features)[:1]:
        raise DataError(f"features are {np.shape(features)}, labels {labels_n.shape}; they must be (n, f) and (n,).")
    return unit_rows(finite_rows(features)).astype(np.float32), labels_n


def _nearest(
    queries_qf: NDArray[np.float32], unit_mf: NDArray[np.float32], itself_q: NDArray[np.int64] | None, taken: int
) -> NDArray[np.int64]:
    """(q, t) the rows nearest to each query, nearest first, of equals the first row; the row of itself is left out."""
    cosine_qm = queries_qf @ unit_mf.T
    if itself_q is not None:
        cosine_qm[np.arange(len(itself_q)), itself_q] = -np.inf
    if taken < cosine_qm.shape[1] - 1:  # a whole sort of 10,000 is ten times as slow
        least_q1 = np.partition(cosine_qm, -taken, axis=1)[:, -taken, None]
        above_qm, at_qm = cosine_qm > least_q1, cosine_qm == least_q1
        left_q1 = taken - above_qm.sum(axis=1, keepdims=True)
        near_qt = np.nonzero(above_qm | (at_qm & (np.cumsum(at_qm, axis=1) <= left_q1)))[1].reshape(-1, taken)
    else:
        near_qt = np.broadcast_to(np.arange(cosine_qm.shape[1]), cosine_qm.shape)
    order_qt = np.argsort(-np.take_along_axis(cosine_qm, near_qt, axis=1), axis=1, kind="stable")
    nearest: NDArray[np.int64] = np.take_along_axis(near_qt, order_qt, axis=1)[:, :taken]
    return nearest
