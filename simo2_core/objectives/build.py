"""From settings to an objective."""

from __future__ import annotations

from simo2_core.config import Config
from simo2_core.objectives.objective import Objective
from simo2_core.objectives.simo2 import Simo2


def make_objective(config: Config, classes: int, image_shape: tuple[int, int, int]) -> Objective:
    """The objective that `config.objective` names, for a data set of `classes` and images of `image_shape`."""
    chosen = config.objective
    return Simo2(chosen.orth_lean, chosen.epsilon)
