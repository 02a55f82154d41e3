"""The linear probe, and what its weights say of neural collapse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simo2_core.analysis import geometry, neural_collapse
from simo2_core.analysis.probe import fit_linear_probe
from simo2_core.analysis.reduce import sample_by_class
from simo2_core.metrics.metric import FeatureParts, LabelParts, Metric, MetricResult, Row, Score, accuracy
from simo2_core.settings import setting


@dataclass(frozen=True, kw_only=True)
class Probe(Metric):
    """Logistic regression on scaled features, C chosen on validation."""

    name = "probe"
    summary = "linear probe, and the collapse that its weights show"
    order = 30.0

    probe_images: int = setting(
        10_000,  # 50,000 of 3,072 raw pixels would take an hour
        "most training images that a linear probe is fitted on",
        at_least=2,
        at_most=10**9,
    )

    @property
    def rows(self) -> Sequence[Row]:
        return (
            Row("linear_probe", "linear probe", "accuracy", "train",
                "logistic regression on scaled features; C chosen on validation", share=True),
            Row("nc3", "NC3 probe from means", "collapse", "train",
                "squared distance of the probe's weights from the class means of train, each of norm 1", split="train"),
            Row("nc4", "NC4 probe ≠ near mean", "collapse", "train",
                "share of images for which the probe does not choose the nearest mean"),
        )  # fmt: skip

    def measure(
        self, features: FeatureParts, labels: LabelParts, classes: int, say: Callable[[str], None]
    ) -> MetricResult:
        say("linear probe")
        kept = sample_by_class(labels["train"], self.probe_images)
        fit_on, fit_labels = features["train"][kept], labels["train"][kept]
        probe = fit_linear_probe(fit_on, fit_labels, features["validation"], labels["validation"], classes=classes)
        predicted, scaled = probe.predict(features["test"]), probe.scale(fit_on)
        means = geometry.class_means(scaled, fit_labels, classes)
        scores: dict[str, Score] = {
            "linear_probe": accuracy(predicted, labels["test"]),
            "nc3": neural_collapse.self_duality(probe.weights, scaled, fit_labels),
            "nc4": neural_collapse.disagreement(predicted, means, probe.scale(features["test"])),
        }
        return MetricResult(scores, {"C": probe.C, "validation": probe.validation_accuracy})
