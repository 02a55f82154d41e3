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
from simo2_core.analysis.plots.style import LIGHT, dress, heading, new_figure, own_look, save
from simo2_core.compare.plan import Arm
from simo2_core.events import Evaluated
from simo2_core.run.directory import RunDirectory
from tests.benchmarks.letters_figures import (
    FRONTIER,
    LETTERS_RAW_PIXELS,
    draw_frontier,
    draw_gathering,
    draw_parts,
    draw_stuck,
)
from tests.benchmarks.study_outcomes import outcomes

PUBLISHED = 1 / 137
"""ε and α of the paper."""
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
    for outcome in outcomes(folder):
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
    labels = ["1/137" if abs(value - PUBLISHED) < 1e-9 else f"{value:g}" for value in positions]
    axes.set_xticks(range(len(positions)), labels, fontsize=8)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    if share:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))


@own_look
def draw_thresholds(path: Path, folder: Path, lines: Path) -> Path:
    """The mean and the least signed cosine of class means against b, beside what is claimed: a line for each ε of the
    published distance, and one of the distance of lines."""
    found: dict[str, dict[float, list[tuple[float, float]]]] = {}
    classes = 0
    for outcome in (
        *outcomes(lines),
        *sorted(outcomes(folder), key=lambda one: Arm.parse(one.arm).settings["epsilon"]),
    ):
        gram = np.array(outcome.class_gram, float)
        classes = len(gram)
        settings = Arm.parse(outcome.arm).settings
        epsilon = settings.get("epsilon", PUBLISHED)
        told = "ε 1/137" if epsilon == PUBLISHED else f"ε {epsilon:g}"
        between = gram[~np.eye(classes, dtype=bool)]
        of = told if "epsilon" in settings else f"lines, {told}"
        at = found.setdefault(of, {}).setdefault(settings["bias"], [])
        at.append((float(between.mean()), float(between.min())))
    figure = new_figure(
        10.5,
        4.0,
        LIGHT,
        "Class means against the bias b",
        f"digits · {classes} classes × 16 images · 400 steps",
        "Signed cosines of the class means of test, projection. Line: mean of seeds. Dots: seeds. The published "
        "distance where no other is named.",
    )
    simplex = -1 / (classes - 1)
    positions = sorted({b for points in found.values() for b in points})
    claimed = [0.0 if b <= -simplex / 2 else simplex if b >= -simplex else np.nan for b in positions]
    panels = figure.subplots(1, 2)
    for which, (axes, title) in enumerate(zip(panels, ("mean of all pairs", "most opposite pair"), strict=True)):
        dress(axes, LIGHT)
        heading(axes, title, LIGHT)
        for index, (label, points) in enumerate(found.items()):
            colour, marker = look(index, LIGHT)
            for x, b in enumerate(positions):
                seeds = [pair[which] for pair in points[b]]
                axes.plot([x] * len(seeds), seeds, "o", color=colour, alpha=0.4, markersize=3, markeredgewidth=0)
            means = [float(np.mean([pair[which] for pair in points[b]])) for b in positions]
            axes.plot(means, color=colour, marker=marker, markersize=4.5, linewidth=1.5, label=label)
        axes.plot(claimed, "_", color=LIGHT.ink, markersize=22, label="claimed")
        least = [max(-b, simplex) for b in positions]
        axes.plot(least, color=LIGHT.ink, linestyle=(0, (4, 3)), linewidth=1, label="−b, down to the simplex")
        axes.set_xticks(range(len(positions)), [f"{b * 2 * (classes - 1):g} b_c" for b in positions], fontsize=8)
        axes.set_xlabel("b, in multiples of b_c = 1/(2(C − 1))")
    panels[0].legend(fontsize=8, frameon=False, labelcolor=LIGHT.ink)
    return save(figure, path, dpi=110)


FEW = {
    "simo2-published": "as published",
    "simo2_pull_1_epsilon_start_none": "all pairs, lines",
    "simo2_pull_1_epsilon_start_1": "the same, ε falls",
    "simo2_pull_1_epsilon_start_none_epsilon_1": "the same, ε 1",
    "simo2_pull_1_epsilon_start_none_same_bias_1": "the same, b of one class 1",
    "simo2": "the same, pull: simo2",
    "simo2_epsilon_start_1": "simo2, ε falls",
    "simo2_epsilon_start_1_epsilon_until_1": "simo2, ε falls to the end",
    "simo2_epsilon_start_1_negatives_slots": "simo2, ε falls, slots",
    "simo2_epsilon_start_1_distance_euclidean": "simo2, ε falls, euclidean",
    "supcon": "SupCon",
    "cross_entropy": "cross-entropy",
}
"""What a run is called in batches of few images of each class, from the name of its folder without the seed."""
MANY = {
    "simo2-published": "as published",
    "simo2_distance_euclidean": "simo2, euclidean",
    "simo2_same_bias_1": "simo2, b of one class 1",
    "simo2_epsilon_0.1": "simo2, ε 0.1",
    "simo2_epsilon_start_1": "simo2, ε falls",
    "simo2_pull_3": "simo2, pull 3",
    "simo2_embedding_size_64_pull_3_same_bias_1": "simo2, D 64, pull 3, b 1",
    "simo2": "simo2",
}
"""The same, of many images of each class."""


@own_look
def draw_photographs(path: Path, few: Sequence[Path], many: Path) -> Path:
    """Validation kNN of each variant on CIFAR-10, in batches of few and of many images of each class."""
    figure = new_figure(
        10.5,
        4.4,
        LIGHT,
        "What gathers photographs",
        "CIFAR-10 · YatCNN at 16 pixels, a fifth of the labels, 800 steps · airbench of half the channels, 200 steps",
        "Validation kNN@20 of the representation. Line: mean. Dots: seeds.",
    )
    panels = figure.subplots(1, 2)
    shown = (
        ("10 classes × 8 images", few, FEW),
        ("10 classes × 50 images", (many,), MANY),
    )
    for axes, (title, folders, labels) in zip(panels, shown, strict=True):
        dress(axes, LIGHT)
        heading(axes, title, LIGHT)
        for y, name in enumerate(reversed(labels)):
            seeds = [_validation(place) for folder in folders for place in sorted(folder.glob(f"runs/{name}-s?"))]
            colour, _ = look(list(FRONTIER).index(name) if name in FRONTIER else 0, LIGHT)
            axes.plot(seeds, [y] * len(seeds), "o", color=colour, alpha=0.5, markersize=4.5, markeredgewidth=0)
            axes.plot([np.mean(seeds)] * 2, [y - 0.3, y + 0.3], color=colour, linewidth=1.8)
        axes.set_yticks(range(len(labels)), list(reversed(labels.values())), fontsize=8)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.4g}%"))
    return save(figure, path, dpi=110)


def _validation(place: Path) -> float:
    """kNN@20 of the representation at the last look of a run at its validation images."""
    looks = [event for event in RunDirectory.open(place).events() if isinstance(event, Evaluated)]
    return [look.knn_representation for look in looks if look.split == "validation"][-1]


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
    if (gathering := folder / "letters-gathering").is_dir():
        draw_gathering(out / "study-gathering.png", (gathering, folder / "letters-others"), LETTERS_RAW_PIXELS)
        draw_stuck(out / "study-stuck.png", gathering, LETTERS_RAW_PIXELS)
        draw_frontier(out / "study-frontier.png", folder)
    parts = [folder / f"letters-{name}" for name in ("gathering", "paper", "parts", "beside", "distance", "negatives")]
    if all(place.is_dir() for place in parts):
        draw_parts(out / "study-parts.png", parts)
    thresholds, of_lines = folder / "digits-thresholds", folder / "digits-thresholds-line"
    if thresholds.is_dir() and of_lines.is_dir():
        draw_thresholds(out / "study-thresholds.png", thresholds, of_lines)
    few = [folder / name for name in ("photographs-few", "photographs-few-gathering")]
    if all(place.is_dir() for place in (*few, folder / "photographs-gathering")):
        draw_photographs(out / "study-photographs.png", few, folder / "photographs-gathering")
    if digits.is_dir():
        draw_dimensions(out, digits)
    if (settings := folder / "letters-settings").is_dir():
        draw_settings(out, settings)


def draw_dimensions(out: Path, digits: Path) -> None:
    """Fewer dimensions than classes."""
    draw(
        out / "study-dimensions.png",
        "Fewer dimensions than classes",
        "digits · 10 classes · 400 steps",
        "Dashed: D is the number of classes.",
        [("", digits, "embedding_size", "D", 10, None)],
    )


def draw_settings(out: Path, settings: Path) -> None:
    """The settings of the loss, one at a time."""
    draw(
        out / "study-settings.png",
        "The settings of the loss, one at a time",
        "letters · 26 classes · D 32 · 800 steps",
        "Dashed: the default.",
        [
            ("", settings, "epsilon", "ε", PUBLISHED, PUBLISHED),
            ("", settings, "orth_lean", "α", PUBLISHED, PUBLISHED),
            ("", settings, "bias", "b", 0, 0),
        ],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
