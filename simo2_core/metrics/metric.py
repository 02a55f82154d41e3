"""What a number of the evaluation is: a part that says its rows of the table, and measures them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.few_shot import Estimate
from simo2_core.analysis.reduce import sample_by_class
from simo2_core.parts import Part

GROUPS = ("accuracy", "few labels", "retrieval", "clusters", "geometry", "collapse")
"""The headings of the table, in their order; those of a stranger's metric follow."""

TEST_IMAGES = 10_000
"""Most test images for what compares each with every other: clusters, silhouette, uniformity."""

FeatureParts = Mapping[str, NDArray[np.floating[Any]]]
"""Features of `train`, `validation` and `test`, (n, f) each, and of `unseen` where classes are held out."""
LabelParts = Mapping[str, NDArray[np.int32]]
"""Labels of the same, (n,) each, in [0, classes); those of `unseen` count the classes held out."""

Score = Estimate | float | None
"""A number, or one with its interval; None where it cannot be measured."""


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    key: str
    """Its name in `eval.json`, such as `knn_20`."""
    label: str
    group: str
    """The heading that it stands under: of `GROUPS`, or another."""
    fit: str = ""
    """The part that anything was fitted on or searched in; empty when nothing was."""
    how: str = ""
    """The protocol, in a few words."""
    share: bool = False
    """Whether it is a share in [0, 1], shown as a percentage, and more is better."""
    split: str = "test"
    """The part that the number is about."""


class MetricResult(NamedTuple):
    """What a metric found, where it has more to tell than scores."""

    scores: Mapping[str, Score]
    """By `Row.key`."""
    details: Mapping[str, Any] = {}
    """JSON-ready, for `eval.json`: what was chosen on validation, say."""
    predicted: NDArray[np.int32] | None = None
    """(test,) classes, of which the confusion is shown."""


class Metric(Part):
    """The base of all metrics: numbers that are cheap to measure together.

    Everything is fitted on train and chosen on validation; test is only read.
    """

    order: ClassVar[float] = 200.0
    """Its place among the others under one heading."""

    @property
    def rows(self) -> Sequence[Row]:
        """What it measures, in the order of the table."""
        raise NotImplementedError

    def measure(
        self, features: FeatureParts, labels: LabelParts, classes: int, say: Callable[[str], None]
    ) -> Mapping[str, Score] | MetricResult:
        """Measures one kind of features.

        Args:
            features: by part.
            labels: by part; each class at least once in train, not always in test.
            classes: how many there are.
            say: told what is being done, where it takes a while.

        Returns: scores by `Row.key`; NaN, or none at all, where one cannot be measured.
        """
        raise NotImplementedError


def some_of_test(
    features: FeatureParts, labels: LabelParts, part: str = "test"
) -> tuple[NDArray[np.floating[Any]], NDArray[np.int32]]:
    """(n, f) features and (n,) labels of at most `TEST_IMAGES` of test or `unseen`, each class with its share."""
    rows = sample_by_class(labels[part], TEST_IMAGES)
    return features[part][rows], labels[part][rows]


def accuracy(predicted: NDArray[np.int32], labels: NDArray[np.int32]) -> Estimate:
    """The share of `predicted` that is right, in [0, 1], with half of its 95% interval over so many images."""
    share = float(np.mean(predicted == labels))
    return Estimate(share, half_interval(share, len(labels)))


def half_interval(share: float, images: int) -> float:
    """Half the width of Wilson's 95% interval of a share of `images`: above 0 where all are right, too.

    E. B. Wilson, "Probable inference", Journal of the American Statistical Association 22, 1927.
    """
    z = 1.96
    return float(z / (1 + z**2 / images) * np.sqrt(share * (1 - share) / images + z**2 / (4 * images**2)))
