"""Few labels: of each class of train, and episodes within test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from simo2_core.analysis.few_shot import DRAWS, EPISODES, episodes, k_shot
from simo2_core.metrics.metric import FeatureParts, LabelParts, Metric, Row, Score


@dataclass(frozen=True, kw_only=True)
class FewShot(Metric):
    """Nearest class mean from a few labels, many times."""

    name = "few_shot"
    summary = "nearest class mean from 1, 5 and 10 labels a class, and 5-way episodes"
    order = 40.0

    @property
    def rows(self) -> Sequence[Row]:
        drawn = f"nearest class mean, {DRAWS} draws of labels, ± 95% interval over draws"
        played = f"nearest class mean, {EPISODES} episodes, ± 95% interval"
        return (
            *(Row(f"shot_{n}", "1 label a class" if n == 1 else f"{n} labels a class", "few labels", "train", drawn,
                  share=True) for n in (1, 5, 10)),
            *(Row(f"way_5_shot_{n}", f"5-way {n}-shot", "few labels", "test", played, share=True) for n in (1, 5)),
        )  # fmt: skip

    def measure(
        self, features: FeatureParts, labels: LabelParts, classes: int, say: Callable[[str], None]
    ) -> Mapping[str, Score]:
        say("few labels")
        bank, test = (features["train"], labels["train"]), (features["test"], labels["test"])
        scores: dict[str, Score] = {f"shot_{n}": k_shot(*bank, *test, classes=classes, shots=n) for n in (1, 5, 10)}
        return scores | {f"way_5_shot_{n}": episodes(*test, classes=classes, shots=n) for n in (1, 5)}
