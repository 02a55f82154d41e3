"""Pictures of why the loss gathers or does not: how steep its pairs are, and how many of them are stuck in two runs.

`python -m tests.benchmarks.loss_figures OUT` draws OUT/loss-slopes.png, from the formula; with the folders of runs
behind it OUT/stuck-pairs.png too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from simo2_core.analysis.plots.compare import look
from simo2_core.analysis.plots.style import LIGHT, dress, heading, new_figure, own_look, save
from simo2_core.events import Evaluated
from simo2_core.run.directory import RunDirectory

Values = NDArray[np.float64]

ALPHA = 1 / 137
PULL = 19 / 7
"""`balanced` for 20 classes of 8 images."""


@dataclass(frozen=True)
class Pair:
    """A pair of unit vectors, and what it costs."""

    name: str
    same: bool
    """Of one class."""
    epsilon: float = 1 / 137
    bias: float = 0.0
    weight: float = 1.0
    line: bool = False

    def cost(self, cosine: Values) -> Values:
        """(n,) costs at (n,) cosines."""
        near = np.abs(cosine) if self.line else cosine
        r = (cosine + self.bias) ** 2 / (self.epsilon + 2 - 2 * near)
        return self.weight * (1 + r) ** (-1.0 if self.same else 1 - 2 * ALPHA)

    def slope(self, cosine: Values) -> Values:
        """(n,) absolute derivatives of the cost by the cosine, by central differences."""
        step = 1e-6
        return np.abs(self.cost(cosine + step) - self.cost(cosine - step)) / (2 * step)


SAME = (
    Pair("published", True),
    Pair("ε 1", True, epsilon=1),
    Pair("pull 19/7, balanced", True, weight=PULL),
    Pair("ε 1, pull 19/7", True, epsilon=1, weight=PULL),
    Pair("b 1 within a class", True, bias=1),
)
DIFFERENT = (
    Pair("published", False),
    Pair("ε 1", False, epsilon=1),
    Pair("line distance", False, line=True),
    Pair("line distance, ε 1", False, line=True, epsilon=1),
    Pair("b 1/2 on both sides", False, bias=0.5),
)


@own_look
def draw(path: Path) -> Path:
    """Draws two panels: pairs of one class, and pairs of different classes."""
    figure = new_figure(
        10.5,
        4.2,
        LIGHT,
        "How steep a pair is",
        "|d cost / d cosine| of one pair of unit vectors · α 1/137",
        "A fresh network has all its cosines near 1, at the right. There a pair of different classes is pushed as hard "
        "as the right panel says, and one of the same class pulled as the left one does.",
    )
    cosine = np.linspace(-0.9995, 0.9995, 4001)
    panels = figure.subplots(1, 2)
    for axes, pairs, title in zip(panels, (SAME, DIFFERENT), ("one class: pulled", "two classes: pushed"), strict=True):
        dress(axes, LIGHT)
        heading(axes, title, LIGHT)
        for index, pair in enumerate(pairs):
            axes.plot(
                cosine,
                np.maximum(pair.slope(cosine), 1e-6),
                color=look(index, LIGHT)[0],
                label=pair.name,
                linewidth=1.5,
                linestyle=("-", "--", "-.", ":", (0, (5, 1, 1, 1)))[index],
            )
        axes.set_yscale("log")
        axes.set_ylim(*((1e-3, 10) if axes is panels[0] else (1e-2, 1e5)))
        axes.set_xlabel("cosine of the pair")
        axes.legend(fontsize=8, frameon=False, labelcolor=LIGHT.ink)
    return save(figure, path, dpi=110)


@own_look
def draw_stuck(path: Path, runs: Sequence[RunDirectory]) -> Path:
    """Draws the share of stuck pairs and the validation kNN of runs against their steps."""
    figure = new_figure(
        10.5,
        3.4,
        LIGHT,
        "Same-class pairs that are stuck at a right angle",
        "digits · 10 classes × 4 images · 400 steps",
        "Stuck: pairs of training images of one class with |cos| < 0.1.",
    )
    panels = figure.subplots(1, 2)
    for index, run in enumerate(runs):
        colour = look(index, LIGHT)[0]
        seen = [e for e in run.events() if isinstance(e, Evaluated) and e.split == "validation"]
        steps = [event.step for event in seen]
        name = "published" if run.config.get("pull") == 1 else "simo2"
        name += f", dropout {run.config.get('dropout')}"
        panels[0].plot(steps, [event.stuck_pairs for event in seen], color=colour, label=name, linewidth=1.6)
        panels[1].plot(steps, [event.knn_representation for event in seen], color=colour, linewidth=1.6)
    panels[1].axhline(seen[0].knn_raw_pixels, color=LIGHT.muted, linewidth=0.9, linestyle="--")
    panels[1].annotate(
        "raw pixels",
        (0, seen[0].knn_raw_pixels),
        xytext=(2, -10),
        textcoords="offset points",
        fontsize=8,
        color=LIGHT.muted,
    )
    for axes, title in zip(panels, ("stuck pairs", "validation kNN@20 of the representation"), strict=True):
        dress(axes, LIGHT)
        heading(axes, title, LIGHT)
        axes.set_xlabel("step")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))
    panels[0].set_ylim(bottom=0)
    panels[0].legend(fontsize=8, frameon=False, labelcolor=LIGHT.ink)
    return save(figure, path, dpi=110)


if __name__ == "__main__":
    out, *folders = map(Path, sys.argv[1:])
    print(draw(out / "loss-slopes.png"))
    if folders:
        print(draw_stuck(out / "stuck-pairs.png", [RunDirectory.open(folder) for folder in folders]))
