"""Figures of studies whose arms vary one number: a panel for each metric, a line for each distance.

`python -m tests.benchmarks.study_figures FOLDER OUT` draws those of the studies that `tests.benchmarks.studies` left.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from simo2_core.analysis.plots.compare import look
from simo2_core.analysis.plots.style import LIGHT, dress, heading, new_figure, save
from simo2_core.compare.outcome import Outcome

METRICS = (
    ("projection", "knn_20", "kNN@20, projection"),
    ("representation", "knn_20", "kNN@20, representation"),
    ("projection", "class_max_abs_cosine", "class means, largest |cos|"),
    ("projection", "effective_rank", "effective rank, projection"),
)
DISTANCES = {"simo2": "euclidean, as published", "simo2-line": "line"}
LEGEND = "Line: mean. Dots: seeds. On test images."

Points = Mapping[float, list[float]]
"""By value of the setting, what each seed came to."""


def series(folder: Path, setting: str, default: float | None, features: str, metric: str) -> dict[str, Points]:
    """By distance, what the arms that vary `setting` came to; the arm without settings stands at `default`."""
    found: dict[str, dict[float, list[float]]] = {name: {} for name in DISTANCES}
    for path in sorted((folder / "runs").iterdir()):
        outcome = Outcome.read(path)
        if outcome is None or not outcome.scores:
            continue
        name, _, pair = outcome.arm.partition(":")
        key, _, value = pair.partition("=")
        at = float(value) if key == setting else default if not pair else None
        if at is not None:
            found[name].setdefault(at, []).append(outcome.scores[features][metric])
    return {name: dict(sorted(points.items())) for name, points in found.items() if points}


def draw_panel(
    axes: Axes, lines: Mapping[str, Points], positions: Sequence[float], mark: float, *, share: bool
) -> None:
    """Values stand at equal distances, in the order of `positions`; `mark` is where the dashed line goes."""
    dress(axes, LIGHT)
    for name, points in lines.items():
        colour, marker = look(list(DISTANCES).index(name), LIGHT)
        at = np.searchsorted(positions, list(points)).astype(float)
        for x, seeds in zip(at, points.values(), strict=True):
            axes.plot(np.full(len(seeds), x), seeds, "o", color=colour, alpha=0.35, markersize=3, markeredgewidth=0)
        means = [float(np.mean(seeds)) for seeds in points.values()]
        axes.plot(at, means, color=colour, marker=marker, markersize=4.5, linewidth=1.5, label=DISTANCES[name])
    beside = float(np.interp(mark, positions, range(len(positions))))
    axes.axvline(beside, color=LIGHT.muted, linewidth=0.8, linestyle=(0, (4, 3)))
    labels = ["1/137" if abs(value - 1 / 137) < 1e-9 else f"{value:g}" for value in positions]
    axes.set_xticks(range(len(positions)), labels, fontsize=8)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    if share:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))


Row = tuple[str, Path, str, str, float, float | None]
"""Title, folder of the study, setting, its symbol, where the dashed line goes, where an arm without settings stands."""


def draw(path: Path, title: str, caption: str, note: str, rows: Sequence[Row]) -> Path:
    """A row of panels for each of `rows`, in one figure."""
    figure = new_figure(11.0, 2.4 * len(rows), LIGHT, title, caption, f"{LEGEND} {note}")
    panels = figure.subplots(len(rows), len(METRICS), squeeze=False)
    for row, (name, folder, setting, symbol, mark, default) in zip(panels, rows, strict=True):
        for axes, (features, metric, what) in zip(row, METRICS, strict=True):
            lines = series(folder, setting, default, features, metric)
            positions = sorted({value for points in lines.values() for value in points})
            draw_panel(axes, lines, positions, mark, share=metric == "knn_20")
            heading(axes, f"{name}{what}", LIGHT, size=9)
            axes.set_xlabel(symbol)
    if len(panels[0][0].get_legend_handles_labels()[0]) > 1:
        panels[0][0].legend(fontsize=8, frameon=False, labelcolor=LIGHT.ink)
    return save(figure, path, dpi=110)


def main(folder: Path, out: Path) -> None:
    digits = folder / "digits-dimensions"
    draw(
        out / "study-dimensions.png",
        "Fewer dimensions than classes",
        "digits · 10 classes · 400 steps",
        "Dashed: D is the number of classes.",
        [("", digits, "embedding_size", "D", 10, None)],
    )
    settings = folder / "letters-settings"
    draw(
        out / "study-settings.png",
        "The settings of the loss, one at a time",
        "letters · 26 classes · D 32 · 800 steps",
        "Dashed: the default.",
        [
            ("", settings, "epsilon", "ε", 1 / 137, 1 / 137),
            ("", settings, "orth_lean", "α", 1 / 137, 1 / 137),
            ("", settings, "bias", "b", 0, 0),
        ],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
