"""Retrieval: which images of test are found first when one of them asks for its like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from simo2_core.analysis.retrieval import retrieval
from simo2_core.data.dataset import UNSEEN
from simo2_core.metrics.metric import TEST_IMAGES, FeatureParts, LabelParts, Metric, Row, Score, some_of_test
from simo2_core.settings import require, setting

OTHERS, TRAIN = "others", "train"


@dataclass(frozen=True, kw_only=True)
class Retrieve(Metric):
    """Every image of test is a query, and all others are its gallery, or those of train are.

    Among test images of classes that training never saw, where a run holds some out, it is always all others.
    """

    name = "retrieval"
    summary = "recall@k, R-precision and mAP@R on test, and on unseen classes"
    order = 45.0

    recall_at: tuple[int, ...] = setting((1, 2, 4, 8), "k of recall@k, comma separated", at_least=1, at_most=10_000)
    gallery: str = setting(
        OTHERS, "where an image of test looks for its like: all others of test, or train", choices=(OTHERS, TRAIN)
    )

    def check(self) -> None:
        require(
            1 <= len(set(self.recall_at)) == len(self.recall_at) <= 20,
            "recall_at",
            self.recall_at,
            "from 1 to 20 different numbers",
        )

    @property
    def rows(self) -> Sequence[Row]:
        described = (
            *((f"recall_{k}", f"recall@{k}", f"one of the class among the {k} nearest") for k in self.recall_at),
            ("r_precision", "R-precision", "share of the class among the R nearest, R of which there are"),
            ("map_at_r", "mAP@R", "mean average precision at R, arXiv 2003.08505"),
        )
        query, others = f"query: each image (at most {TEST_IMAGES:,})", "gallery: all others of the same part; cosine"
        fit, where = ("test", others) if self.gallery == OTHERS else ("train", "gallery: images of train; cosine")
        seen = (
            Row(key, label, "retrieval", fit, f"{how}; {query}; {where}", share=True) for key, label, how in described
        )
        unseen = (
            Row(
                f"{UNSEEN}_{key}",
                f"unseen {label}",
                "retrieval",
                UNSEEN,
                f"{how}; {query}; {others}",
                share=True,
                split=UNSEEN,
            )
            for key, label, how in described
        )
        return (*seen, *unseen)

    def measure(
        self, features: FeatureParts, labels: LabelParts, classes: int, say: Callable[[str], None]
    ) -> Mapping[str, Score]:
        say("retrieval")
        scores = self._scores(features, labels, "test")
        if UNSEEN in features:
            scores |= {f"{UNSEEN}_{key}": score for key, score in self._scores(features, labels, UNSEEN).items()}
        return scores

    def _scores(self, features: FeatureParts, labels: LabelParts, part: str) -> dict[str, Score]:
        gallery = (features["train"], labels["train"]) if (part, self.gallery) == ("test", TRAIN) else None
        found = retrieval(*some_of_test(features, labels, part), ks=self.recall_at, gallery=gallery)
        recall: dict[str, Score] = {f"recall_{k}": share for k, share in found.recall.items()}
        return recall | {"r_precision": found.r_precision, "map_at_r": found.map_at_r}
