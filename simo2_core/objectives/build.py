"""From settings to an objective."""

from __future__ import annotations

from collections.abc import Callable

from simo2_core.config import Config
from simo2_core.objectives.autoencoder import Autoencoder
from simo2_core.objectives.cross_entropy import CrossEntropy
from simo2_core.objectives.objective import Objective
from simo2_core.objectives.simo2 import Simo2
from simo2_core.objectives.supcon import SupCon


def make_objective(config: Config, classes: int, image_shape: tuple[int, int, int]) -> Objective:
    """The objective that `config` names, for a data set of `classes` and images of `image_shape`."""
    chosen, features = config.objective, config.model.stages[-1]
    makers: dict[str, Callable[[], Objective]] = {
        "simo2": lambda: Simo2(chosen),
        "supcon": lambda: SupCon(chosen.temperature),
        "simclr": lambda: SupCon(chosen.temperature),
        "cross_entropy": lambda: CrossEntropy(features, classes, chosen.label_smoothing),
        "autoencoder": lambda: Autoencoder(features, config.model.stages, image_shape, chosen.noise),
    }
    return makers[chosen.objective]()
