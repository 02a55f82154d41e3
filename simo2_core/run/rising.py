"""How validation kNN, and the training loss, have gone so far: the best, and how many evaluations came after it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from simo2_core.config import KNN, TRAINING_LOSS
from simo2_core.events import Evaluated


@dataclass(frozen=True)
class Rising:
    """What the evaluations of validation came to, in their order."""

    best: float = -math.inf
    """The best kNN of the representation, in [0, 1]; of a loss the lowest, with its sign turned."""
    best_step: int = 0
    """The first step that reached it."""
    since: int = 0
    """Evaluations after that one, of those that count."""
    looks: int = 0
    """Evaluations in all."""
    step: int = 0
    """Of the newest one."""
    of: str = KNN
    """What goes so: `knn` of validation, or the `loss` of training."""

    def after(self, step: int, score: float, *, counts: bool = True) -> Rising:
        """With one more evaluation; one of the same state again counts once.

        Args:
            counts: whether it is one more after the best; it may be the best in any case.
        """
        if self.looks and step <= self.step:
            return self
        if score > self.best:
            return Rising(score, step, 0, self.looks + 1, step, self.of)
        return dataclasses.replace(self, since=self.since + counts, looks=self.looks + 1, step=step)

    @property
    def is_best(self) -> bool:
        """Whether the newest evaluation is the best."""
        return self.looks > 0 and self.best_step == self.step

    @property
    def told(self) -> str:
        """In words; empty before there are two evaluations to compare."""
        if self.looks < 2:
            return ""
        falls = self.of == TRAINING_LOSS
        if self.is_best:
            good = "training loss falls: the lowest" if falls else "kNN rises: the best"
            return f"{good} of {self.looks} evaluations"
        times = f" for {self.since} evaluation{'s' * (self.since > 1)}" if self.since else ""
        at = f"at step {self.best_step:,}"
        if falls:
            return f"training loss has not fallen{times}: the lowest was {-self.best:.4g} {at}"
        return f"kNN has not risen{times}: the best was {self.best:.2%} {at}"

    def to_json(self) -> dict[str, Any]:
        """For a checkpoint; `from_json` gives it back."""
        return dataclasses.asdict(self) if self.looks else {}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Rising:
        """What `to_json` wrote; a run of before it was written begins to count anew."""
        return cls(**data) if data else cls()


@dataclass(frozen=True)
class Followed:
    """All that is followed from one evaluation of validation to the next."""

    knn: Rising = field(default_factory=Rising)
    loss: Rising = field(default_factory=lambda: Rising(of=TRAINING_LOSS))
    """Where `--patience-on loss` follows it."""

    @classmethod
    def beginning_with(cls, best_step: int, best: float, step: int) -> Followed:
        """At `step`, where nobody has waited for better ones yet than the `best` kNN, in [0, 1], of `best_step`."""
        return cls(Rising(best, best_step, looks=1, step=step))

    def after(self, event: Evaluated) -> Followed:
        """With one more evaluation of validation."""
        follows = event.counts and event.loss is not None
        loss = self.loss.after(event.step, -cast(float, event.loss)) if follows else self.loss
        return Followed(self.knn.after(event.step, event.knn_representation, counts=event.counts), loss)

    def awaited(self, patience_on: str) -> Rising:
        """What `--patience` waits for."""
        return self.loss if patience_on == TRAINING_LOSS else self.knn

    @classmethod
    def through(cls, evaluations: Iterable[Evaluated]) -> Followed:
        """After the evaluations of validation among these."""
        found = cls()
        for event in evaluations:
            if event.split == "validation":
                found = found.after(event)
        return found

    @property
    def told(self) -> str:
        """In words; empty before there are two evaluations to compare."""
        return "; ".join(filter(None, (self.knn.told, self.loss.told)))

    @property
    def stalled(self) -> str:
        """In words, what has come no further with the newest evaluation; empty where all has."""
        return "; ".join(one.told for one in (self.knn, self.loss) if one.told and not one.is_best)

    def to_json(self) -> dict[str, Any]:
        """For a checkpoint; `from_json` gives it back."""
        return {"rising": self.knn.to_json(), "falling": self.loss.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Followed:
        """What `to_json` wrote; what was not followed yet begins now."""
        loss = Rising.from_json(data["falling"]) if data.get("falling") else Rising(of=TRAINING_LOSS)
        return cls(Rising.from_json(data.get("rising")), loss)


@dataclass
class MeanLoss:
    """The training loss from one evaluation that counts to the next."""

    total: float = 0.0
    steps: int = 0

    def add(self, losses: Iterable[float]) -> None:
        """Takes the losses of some more steps."""
        for loss in losses:
            self.total, self.steps = self.total + loss, self.steps + 1

    @property
    def mean(self) -> float | None:
        """So far; None where no step was taken."""
        return self.total / self.steps if self.steps else None

    def take(self) -> float | None:
        """The mean, to begin anew; None where no step was taken."""
        mean = self.mean
        self.total, self.steps = 0.0, 0
        return mean
