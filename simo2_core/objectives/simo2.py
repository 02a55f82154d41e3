"""The SIMO2 loss as an objective."""

from __future__ import annotations

from dataclasses import dataclass

from simo2_core.loss import simo2_loss
from simo2_core.model.network import Arrays
from simo2_core.objectives.objective import Loss, Objective, Seen


@dataclass(frozen=True)
class Simo2(Objective):
    """See `simo2_core.loss`; the terms are its components."""

    orth_lean: float
    epsilon: float

    def loss(self, params: Arrays, seen: Seen) -> Loss:
        total, same, mean, diff = simo2_loss(seen.embedding, orth_lean=self.orth_lean, epsilon=self.epsilon)
        return Loss(total, {"same": same, "mean": mean, "diff": diff})
