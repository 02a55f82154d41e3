"""Geometry: cosines of pairs and of class means, the rank, alignment and uniformity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simo2_core.analysis import geometry, hypersphere
from simo2_core.loss_floor import welch_floor
from simo2_core.metrics.metric import FeatureParts, LabelParts, Metric, Row, Score, some_of_test


@dataclass(frozen=True, kw_only=True)
class Geometry(Metric):
    """Where the features of test lie; nothing is fitted."""

    name = "geometry"
    summary = "cosines, class means against the Welch floor, effective rank, alignment and uniformity"
    order = 60.0

    @property
    def rows(self) -> Sequence[Row]:
        described = (
            ("same_cosine", "same-class cosine", "mean signed cosine of pairs, wanted 1"),
            ("different_cosine", "different-class cosine", "mean signed cosine of pairs"),
            ("different_abs_cosine", "different-class |cos|", "mean, wanted 0"),
            ("class_max_abs_cosine", "class means, max |cos|", "wanted 0"),
            ("class_mean_abs_cosine", "class means, mean |cos|", "wanted 0"),
            (
                "class_opposite",
                "class means, opposite",
                f"share of pairs with a cosine below {geometry.OPPOSITE_COSINE:g}, wanted 0",
            ),
            (
                "same_right_angle",
                "same-class right angles",
                f"share of pairs with an absolute cosine below {geometry.RIGHT_ANGLE:g}, wanted 0",
            ),
            ("class_squared_cosine", "class means, mean cos²", "at least Welch's floor"),
            ("welch_floor", "  its Welch floor", "least mean cos² of C classes in D dimensions"),
            ("effective_rank", "effective rank", "RankMe: exp of the entropy of singular values"),
            ("rank_inside", "rank inside a class", "RankMe of the unit rows of a class, mean over classes; wanted 1"),
            ("alignment", "alignment", "Wang & Isola, same-class pairs, 0 is best"),
            ("uniformity", "uniformity", "Wang & Isola, t = 2, less is better"),
        )
        return tuple(Row(key, label, "geometry", "", how) for key, label, how in described)

    def measure(
        self, features: FeatureParts, labels: LabelParts, classes: int, say: Callable[[str], None]
    ) -> Mapping[str, Score]:
        say("geometry")
        some, some_labels = some_of_test(features, labels)
        pairs = geometry.cosine_distributions(some, some_labels)
        gram = geometry.class_gram(some, some_labels, classes)
        scores: dict[str, Score] = {
            "same_cosine": pairs.same_mean,
            "different_cosine": pairs.different_mean,
            "different_abs_cosine": pairs.different_mean_abs,
            "class_squared_cosine": geometry.mean_squared_cosine(gram),
            "welch_floor": welch_floor(classes, some.shape[1]),
            "same_right_angle": pairs.same_right_angle,
            "effective_rank": geometry.effective_rank(some),
            "rank_inside": geometry.rank_inside_classes(some, some_labels),
            "alignment": hypersphere.alignment(some, some_labels),
            "uniformity": hypersphere.uniformity(some),
        }
        if len(np.unique(some_labels)) == classes:  # with a class that test lacks, neither is defined
            absolute = np.abs(gram[np.triu_indices(classes, 1)])
            scores |= {
                "class_max_abs_cosine": float(absolute.max()),
                "class_mean_abs_cosine": float(absolute.mean()),
                "class_opposite": geometry.opposite_share(gram),
            }
        return scores
