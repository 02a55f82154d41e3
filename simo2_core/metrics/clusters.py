"""Clusters: what k-means finds without labels, and how far the true classes lie apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from simo2_core.analysis.clusters import cluster, silhouette
from simo2_core.metrics.metric import FeatureParts, LabelParts, Metric, Row, Score, some_of_test


@dataclass(frozen=True, kw_only=True)
class Clusters(Metric):
    """k-means on unit rows of test, against its labels."""

    name = "clusters"
    summary = "k-means (accuracy, NMI, ARI) and the silhouette"
    order = 50.0

    @property
    def rows(self) -> Sequence[Row]:
        return (
            Row(
                "cluster_accuracy",
                "k-means accuracy",
                "clusters",
                "test",
                "unit rows, 10 starts, Hungarian matching",
                share=True,
            ),
            Row("cluster_nmi", "k-means NMI", "clusters", "test", "arithmetic mean of entropies"),
            Row("cluster_ari", "k-means ARI", "clusters", "test", "adjusted Rand index"),
            Row("silhouette", "silhouette", "clusters", "", "of the true classes, cosine distance"),
        )

    def measure(
        self, features: FeatureParts, labels: LabelParts, classes: int, say: Callable[[str], None]
    ) -> Mapping[str, Score]:
        say("clusters")
        some, some_labels = some_of_test(features, labels)
        scores: dict[str, Score] = {"silhouette": silhouette(some, some_labels)}
        if len(some) >= classes:
            clustering = cluster(some, some_labels, classes=classes)
            scores |= {f"cluster_{name}": value for name, value in clustering._asdict().items()}
        return scores
