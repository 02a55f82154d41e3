"""The nearest class mean by the score of the SIMO2 loss itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from simo2_core.analysis.probe import nearest_mean_by_r
from simo2_core.metrics.metric import FeatureParts, LabelParts, Metric, Row, Score, accuracy
from simo2_core.settings import setting


@dataclass(frozen=True, kw_only=True)
class Centroid(Metric):
    """Class means of train, and r in the place of the cosine."""

    name = "centroid"
    summary = "nearest class mean by r, the score of the SIMO2 loss"
    order = 20.0

    score_epsilon: float = setting(1 / 137, "ε of r", above=0)
    score_bias: float = setting(0.0, "b of r", at_least=0, at_most=10)

    @property
    def rows(self) -> Sequence[Row]:
        how = "r to the mean of unit rows, r of the SIMO2 loss as published; blind to sign"
        return (Row("nearest_mean_by_r", "nearest mean by r", "accuracy", "train", how, share=True),)

    def measure(
        self, features: FeatureParts, labels: LabelParts, classes: int, say: Callable[[str], None]
    ) -> Mapping[str, Score]:
        say("class means")
        predicted = nearest_mean_by_r(
            features["train"],
            labels["train"],
            features["test"],
            classes=classes,
            epsilon=self.score_epsilon,
            bias=self.score_bias,
        )
        return {"nearest_mean_by_r": accuracy(predicted, labels["test"])}
