"""What the SIMO2 loss can come down to, by arithmetic alone: for charts that show a loss against its floor."""

from __future__ import annotations

from typing import NamedTuple

DISTANCES = ("euclidean", "line")
"""How far apart two different classes are said to be."""
REDUCTIONS = ("sum", "mean")
"""How pairs are put together."""
NEGATIVES = ("slots", "all")
"""Which pairs of images of different classes are summed."""


class Components(NamedTuple):
    """One number for each component of the loss."""

    total: float
    same: float
    mean: float
    diff: float


def pair_counts(classes: int, samples_per_class: int) -> Components:
    """How many pairs each component sums, for a batch of C classes of k samples.

    Returns: C·k(k−1)/2 for same, C(C−1)/2 for mean, k·C(C−1)/2 for diff, and their sum.
    """
    same = classes * samples_per_class * (samples_per_class - 1) / 2
    mean = classes * (classes - 1) / 2
    return Components(same + mean + samples_per_class * mean, same, mean, samples_per_class * mean)


def balanced_pull(classes: int, samples_per_class: int) -> float:
    """The weight of same-class pairs that evens out the two sides of an image: (C−1)/(k−1).

    An image has k − 1 pairs of its own class, and C − 1 of others in its slot. At least two samples of a class.
    """
    return (classes - 1) / (samples_per_class - 1)


def loss_floor(
    classes: int, samples_per_class: int, *, epsilon: float = 1 / 137, bias: float = 0.0, pull: float = 1.0
) -> Components:
    """The least value of each component for unit embeddings, reached when D ≥ C and orth_lean < 1/2.

    A same-class pair costs 1/(1+r), least when the two are equal and r = (1+b)²/ε, for a bias b ≥ 0: ε/(ε+(1+b)²),
    times its weight. A pair of classes costs (1+r)^(1−2α), least at r = 0, when the cosine is −b: 1.

    Args:
        epsilon, bias, pull: ε, b and the weight of pairs of one class. Where ε changes, its least.
    """
    pairs = pair_counts(classes, samples_per_class)
    same = pull * pairs.same * epsilon / (epsilon + (1 + bias) ** 2)
    return Components(same + pairs.mean + pairs.diff, same, pairs.mean, pairs.diff)


def welch_floor(classes: int, dimensions: int) -> float:
    """The least mean squared cosine between C directions in D dimensions: (C−D)/(D(C−1)), or 0 when C ≤ D.

    Source: Welch, "Lower bounds on the maximum cross correlation of signals", 1974, for the mean instead of the
    maximum.
    """
    return max(0.0, (classes - dimensions) / (dimensions * (classes - 1))) if classes > 1 else 0.0
