"""Labels that are likely wrong, by what an image is taken for by those that have not seen its label.

Two judge it: its neighbours, and a linear probe that is fitted on other images. Neither is right about all kinds of
features; their mean was best on all that were measured, see `simo2 guide clean`.

Shape letters: n images, f features, k neighbours, c classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.geometry import Floats, Labels
from simo2_core.analysis.probe import finite_rows

TEMPERATURE = 0.07
"""A neighbour votes with weight exp(cos / TEMPERATURE), as in the kNN of `simo2 eval`."""
DOUBTED = 0.9
"""Above this a label is doubted: it finds less than a tenth of what is usual for its class."""
FOLDS = 5
"""Images are judged by a probe that is fitted on the other folds; a class needs one image in each to be judged."""
MOST_FITTED = 20_000
"""Images that a probe is fitted on."""
_STRENGTH = 10.0
"""C times the images that are fitted: strong, for neither should wrong labels be learnt."""
_ITERATIONS = 100


@dataclass(frozen=True, eq=False)
class LabelDoubts:
    """What is said of n labels."""

    suggested: NDArray[np.int64]
    """(n,) the likeliest class but for the given one."""
    doubt: NDArray[np.float64]
    """(n,) 1 minus the share of the given label over what is usual for its class: 1 where nothing speaks for it."""
    doubted: NDArray[np.bool_]
    """(n,) whether the label is likely wrong."""
    agreed: NDArray[np.bool_]
    """(n,) whether the given label is the likeliest; their share tells how far the judges know these classes at all."""
    unjudged: NDArray[np.int64]
    """The classes with too few images, of which no label is doubted and none is suggested."""


def doubt_labels(
    features: Floats, near: Labels, cosines: Floats, labels: Labels, classes: int, *, seed: int = 0
) -> LabelDoubts:
    """Which labels are likely wrong: those with next to none of what is usual for their class, where another leads.

    Usual is the mean share that the images of a class have for it: the thresholds of confident learning (Northcutt,
    Jiang and Chuang 2021, arXiv 1911.00068). There the share of another class must reach its threshold; here the
    label must lose its own, which wrong labels do and images that are hard to tell do not.

    Args:
        features: (n, f).
        near: (n, k) the rows nearest to each, itself not among them.
        cosines: (n, k), the largest first.
        labels: (n,) integers in [0, classes).

    Raises:
        DivergedError: features that are not finite.
    """
    counts_c, rows = np.bincount(labels, minlength=classes), np.arange(len(labels))
    known_c = counts_c >= FOLDS
    judged = known_c[labels]
    shares_nc = vote_shares(near, cosines, labels, classes)
    if known_c.sum() > 1:
        shares_nc[judged] += probe_shares(features[judged], labels[judged], classes, seed=seed)
        shares_nc[judged] /= 2
    own_n = shares_nc[rows, labels]
    usual_c = np.bincount(labels, own_n, minlength=classes) / np.maximum(counts_c, 1)
    shares_nc[rows, labels] = -1
    shares_nc[:, ~known_c] = -1
    suggested_n = shares_nc.argmax(axis=1)
    other_n = shares_nc[rows, suggested_n]
    doubt_n = 1 - np.minimum(own_n / np.maximum(usual_c[labels], 1e-12), 1)
    return LabelDoubts(
        suggested=np.where(judged, suggested_n, labels),
        doubt=np.where(judged, doubt_n, 0.0),
        doubted=judged & (doubt_n > DOUBTED) & (other_n > own_n),
        agreed=~judged | (own_n >= other_n),
        unjudged=np.flatnonzero((counts_c > 0) & ~known_c),
    )


def vote_shares(near: Labels, cosines: Floats, labels: Labels, classes: int) -> NDArray[np.float64]:
    """(n, c) the share of each class in the votes of an image's neighbours, none of which it is itself.

    Args:
        near: (n, k) rows.
        cosines: (n, k), the largest first.
        labels: (n,) integers in [0, classes).
    """
    weights_nk = np.exp((cosines - cosines[:, :1]).astype(np.float64) / TEMPERATURE)
    shares_nc = np.zeros((len(labels), classes))
    np.add.at(shares_nc, (np.arange(len(labels))[:, None], labels[near]), weights_nk)
    return np.asarray(shares_nc / shares_nc.sum(axis=1, keepdims=True))


def probe_shares(features: Floats, labels: Labels, classes: int, *, seed: int = 0) -> NDArray[np.float64]:
    """(n, c) the probabilities of a linear probe that was fitted on other images: on the other `FOLDS` - 1 folds.

    Args:
        features: (n, f).
        labels: (n,) of two classes or more, each with at least `FOLDS` images.

    Raises:
        DivergedError: features that are not finite.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    features_nf, shares_nc = finite_rows(features), np.zeros((len(labels), classes))
    for fitted, judged in _folds(labels, seed):
        scaler = StandardScaler().fit(features_nf[fitted])
        model = LogisticRegression(C=_STRENGTH / len(fitted), max_iter=_ITERATIONS)
        # one thread: on a busy machine BLAS threads waiting for each other took 80 times as long
        with warnings.catch_warnings(), threadpool_limits(limits=1):
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(scaler.transform(features_nf[fitted]), labels[fitted])
            found = model.predict_proba(scaler.transform(features_nf[judged]))
        shares_nc[np.ix_(judged, model.classes_)] = found
    return shares_nc


def _folds(labels: Labels, seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows to fit on, at most about `MOST_FITTED` with each class among them, and rows to judge."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    counts = np.bincount(labels)
    place = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)  # in its class
    most = np.maximum(FOLDS, counts * MOST_FITTED // len(labels))[labels[order]]
    for fold in range(FOLDS):
        mine = place % FOLDS == fold
        yield order[~mine & (place < most)], order[mine]
