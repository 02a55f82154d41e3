"""The SIMO2 loss as an objective."""

from __future__ import annotations

from dataclasses import dataclass

from simo2_core.config import ObjectiveConfig
from simo2_core.loss import simo2_loss
from simo2_core.model.network import Arrays
from simo2_core.objectives.objective import Loss, Objective, Seen


@dataclass(frozen=True)
class Simo2(Objective):
    """See `simo2_core.loss`; the terms are its components."""

    config: ObjectiveConfig

    def loss(self, params: Arrays, seen: Seen) -> Loss:
        chosen = self.config
        total, same, mean, diff = simo2_loss(
            seen.embedding,
            orth_lean=chosen.orth_lean,
            epsilon=chosen.epsilon,
            distance=chosen.distance,
            bias=chosen.bias,
            reduction=chosen.reduction,
        )
        return Loss(total, {"same": same, "mean": mean, "diff": diff})
