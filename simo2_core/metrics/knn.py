"""Neighbours: kNN for several k, and the nearest class mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simo2_core.analysis.probe import nearest_class_mean
from simo2_core.metrics.metric import FeatureParts, LabelParts, Metric, MetricResult, Row, Score, accuracy
from simo2_core.settings import require, setting

HEADLINE = 20
"""The k of kNN whose confusion is shown."""


@dataclass(frozen=True, kw_only=True)
class Neighbours(Metric):
    """Training images vote, by cosine."""

    name = "knn"
    summary = "kNN for several k, and the nearest class mean"
    order = 10.0

    neighbours: tuple[int, ...] = setting((1, 10, 20, 200), "k of kNN, comma separated", at_least=1, at_most=1_000_000)

    def check(self) -> None:
        require(
            1 <= len(set(self.neighbours)) == len(self.neighbours) <= 20,
            "neighbours",
            self.neighbours,
            "from 1 to 20 different numbers",
        )

    @property
    def rows(self) -> Sequence[Row]:
        how = "cosine, votes weighted exp(cos/0.07)"
        return (
            *(Row(f"knn_{k}", f"kNN k={k}", "accuracy", "train", how, share=True) for k in self.neighbours),
            Row(
                "nearest_class_mean",
                "nearest class mean",
                "accuracy",
                "train",
                "cosine to the mean of unit rows",
                share=True,
            ),
        )

    def measure(
        self, features: FeatureParts, labels: LabelParts, classes: int, say: Callable[[str], None]
    ) -> MetricResult:
        from simo2_core.analysis.metrics import knn_predict_each  # jax

        say("kNN")
        train, test = features["train"], features["test"]
        ks = tuple(dict.fromkeys((*self.neighbours, HEADLINE)))
        each = dict(zip(ks, knn_predict_each(test, train, labels["train"], classes=classes, ks=ks), strict=True))
        scores: dict[str, Score] = {f"knn_{k}": accuracy(each[k], labels["test"]) for k in self.neighbours}
        nearest = nearest_class_mean(train, labels["train"], test, classes=classes)
        scores["nearest_class_mean"] = accuracy(nearest, labels["test"])
        return MetricResult(scores, predicted=each[HEADLINE])
