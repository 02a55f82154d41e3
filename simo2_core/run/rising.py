"""How validation kNN has gone so far: its best, and for how many evaluations it has not risen."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simo2_core.events import Evaluated


@dataclass(frozen=True)
class Rising:
    """What the evaluations of validation came to, in their order."""

    best: float = -math.inf
    """The best kNN of the representation, in [0, 1]."""
    best_step: int = 0
    """The first step that reached it."""
    since: int = 0
    """Evaluations after that one."""
    looks: int = 0
    """Evaluations in all."""
    step: int = 0
    """Of the newest one."""

    def after(self, step: int, score: float) -> Rising:
        """With one more evaluation; one of the same state again counts once."""
        if self.looks and step <= self.step:
            return self
        if score > self.best:
            return Rising(score, step, 0, self.looks + 1, step)
        return dataclasses.replace(self, since=self.since + 1, looks=self.looks + 1, step=step)

    @classmethod
    def of(cls, evaluations: Iterable[Evaluated]) -> Rising:
        """After the evaluations of validation among these."""
        found = cls()
        for event in evaluations:
            if event.split == "validation":
                found = found.after(event.step, event.knn_representation)
        return found

    @property
    def told(self) -> str:
        """In words; empty before there are two evaluations to compare."""
        if self.looks < 2:
            return ""
        if not self.since:
            return f"kNN rises: the best of {self.looks} evaluations"
        times = "1 evaluation" if self.since == 1 else f"{self.since} evaluations"
        return f"kNN has not risen for {times}: the best was {self.best:.2%} at step {self.best_step:,}"

    def to_json(self) -> dict[str, Any]:
        """For a checkpoint; `from_json` gives it back."""
        return dataclasses.asdict(self) if self.looks else {}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Rising:
        """What `to_json` wrote; a run of before it was written begins to count anew."""
        return cls(**data) if data else cls()
