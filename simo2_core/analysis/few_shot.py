"""How far a handful of labels goes on frozen features.

Shape letters: n images with labels, q images to classify, f features.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.geometry import Floats, Labels, unit_rows
from simo2_core.analysis.probe import class_directions, finite_rows, nearest_class_mean, nearest_direction

DRAWS = 20
"""Draws of labelled images that k-shot accuracy is the mean of."""

EPISODES = 600
"""Of few-shot classification, as the field reports it."""

WAYS = 5
QUERIES = 15
"""Images of each class to classify in an episode; fewer where the smallest class has fewer."""


class Estimate(NamedTuple):
    """A mean over random draws, or over images."""

    mean: float
    """In [0, 1]."""
    interval: float
    """Half the width of the 95% interval of the mean; over draws it is 1.96 s / √draws, s with draws - 1 below."""


def estimate(accuracies: NDArray[np.float64]) -> Estimate:
    """The mean of (draws,) and its interval; at least two draws."""
    deviation = float(np.std(accuracies, ddof=1))
    return Estimate(float(np.mean(accuracies)), 1.96 * deviation / len(accuracies) ** 0.5)


def k_shot(
    bank: Floats, bank_labels: Labels, queries: Floats, query_labels: Labels, *, classes: int, shots: int, seed: int = 0
) -> Estimate | None:
    """The accuracy on all queries of a nearest class mean that has seen `shots` labelled images of each class.

    The mean over `DRAWS` draws of those images from the bank, without replacement; the same ones each time for the
    same labels and seed. The interval is over draws of labels, not over queries.

    Args:
        bank: (n, f), labels (n,).
        queries: (q, f), labels (q,).

    Returns:
        None when a class has fewer than `shots` images in the bank.
    """
    rows_of = _rows_by_class(bank_labels, classes)
    if min(map(len, rows_of)) < shots:
        return None
    random = np.random.default_rng((seed, shots))
    unit_qf = unit_rows(finite_rows(queries))
    accuracies = []
    for _ in range(DRAWS):
        rows = np.concatenate([random.choice(rows, shots, replace=False) for rows in rows_of])
        predicted = nearest_direction(class_directions(bank[rows], bank_labels[rows], classes), unit_qf)
        accuracies.append(np.mean(predicted == query_labels))
    return estimate(np.array(accuracies))


def episodes(
    features: Floats,
    labels: Labels,
    *,
    classes: int,
    shots: int,
    ways: int = WAYS,
    count: int = EPISODES,
    seed: int = 0,
) -> Estimate | None:
    """The mean accuracy of `ways`-way `shots`-shot episodes with a nearest class mean.

    An episode draws `ways` classes, and of each of them `shots` images to learn from and `QUERIES` others to
    classify. Vinyals et al., "Matching Networks for One Shot Learning", 2016; the classifier of Snell, Swersky and
    Zemel, "Prototypical Networks", 2017, with cosines.

    Args:
        features: (n, f), labels (n,).

    Returns:
        None when fewer than `ways` classes have more than `shots` images.
    """
    rows_of = [rows for rows in _rows_by_class(labels, classes) if len(rows) > shots]
    if len(rows_of) < ways:
        return None
    queries = min(QUERIES, min(map(len, rows_of)) - shots)
    random = np.random.default_rng((seed, ways, shots))
    truth = np.repeat(np.arange(ways), queries)
    accuracies = []
    for _ in range(count):
        drawn = random.choice(len(rows_of), ways, replace=False)
        rows = np.stack([random.choice(rows_of[c], shots + queries, replace=False) for c in drawn])
        learn, ask = rows[:, :shots].ravel(), rows[:, shots:].ravel()
        predicted = nearest_class_mean(features[learn], np.repeat(np.arange(ways), shots), features[ask], classes=ways)
        accuracies.append(np.mean(predicted == truth))
    return estimate(np.array(accuracies))


def _rows_by_class(labels: Labels, classes: int) -> list[NDArray[np.int64]]:
    return [np.flatnonzero(labels == c) for c in range(classes)]
