"""How much nearer the own class mean is than the nearest other one."""

from dataclasses import dataclass

import numpy as np

from simo2_core.metrics.metric import Metric, Row
from simo2_core.settings import setting


@dataclass(frozen=True, kw_only=True)
class MeanMargin(Metric):
    """Of cosines to the class means of train."""

    summary = "margin to the nearest other class mean"

    floor: float = setting(-1.0, "margins below this count as this")

    @property
    def rows(self):
        return (Row("mean_margin", "margin to other means", "margins", "train", "cosine, mean over test"),)

    def measure(self, features, labels, classes, say):
        means = np.stack([features["train"][labels["train"] == c].mean(axis=0) for c in range(classes)])
        unit = means / np.linalg.norm(means, axis=1, keepdims=True)
        test = features["test"] / np.linalg.norm(features["test"], axis=1, keepdims=True)
        cosines, rows = test @ unit.T, np.arange(len(test))
        own = cosines[rows, labels["test"]].copy()
        cosines[rows, labels["test"]] = -np.inf
        return {"mean_margin": float(np.maximum(own - cosines.max(axis=1), self.floor).mean())}
