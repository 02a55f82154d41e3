"""Neural collapse of the features themselves: NC1 and NC2. The linear probe measures NC3 and NC4."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simo2_core.analysis import neural_collapse
from simo2_core.metrics.metric import FeatureParts, LabelParts, Metric, Row, Score, some_of_test


@dataclass(frozen=True, kw_only=True)
class Collapse(Metric):
    """How near the classes of test are to points, and their means to a simplex."""

    name = "collapse"
    summary = "neural collapse NC1 and NC2"
    order = 20.0

    @property
    def rows(self) -> Sequence[Row]:
        described = (
            ("nc1", "NC1 within/between", "tr(Σ_W pinv Σ_B)/C, 0 when collapsed"),
            ("nc2_lengths", "NC2 unequal lengths", "variation of centred class means"),
            ("nc2_angles", "NC2 unequal angles", "deviation of their cosines"),
            ("nc2_widest", "NC2 from widest angle", "mean |cos + 1/(C-1)|"),
        )
        return tuple(Row(key, label, "collapse", "", how) for key, label, how in described)

    def measure(
        self, features: FeatureParts, labels: LabelParts, classes: int, say: Callable[[str], None]
    ) -> Mapping[str, Score]:
        some, some_labels = some_of_test(features, labels)
        if len(np.unique(some_labels)) < classes:  # with a class that test lacks, none of these is defined
            return {}
        frame = neural_collapse.frame(some, some_labels, classes=classes)
        return {
            "nc1": neural_collapse.within_class(some, some_labels, classes=classes),
            "nc2_lengths": frame.lengths,
            "nc2_angles": frame.angles,
            "nc2_widest": frame.widest,
        }
