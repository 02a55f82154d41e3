"""Figures of studies whose arms vary one number: a panel for each metric, a line for each distance.

`python -m tests.benchmarks.study_figures FOLDER OUT` draws those of the studies that `tests.benchmarks.studies` left.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from simo2_core.analysis.plots.compare import look
from simo2_core.analysis.plots.style import LIGHT, dress, heading, new_figure, own_look, save
from simo2_core.compare.outcome import Outcome
from simo2_core.compare.plan import Arm
from simo2_core.evaluation.evaluate import STUCK_AT_END
from simo2_core.events import Evaluated
from simo2_core.run.directory import RunDirectory

PUBLISHED = 1 / 137
"""ε and α of the paper."""
METRICS = (
    ("projection", "knn_20", "kNN@20, projection"),
    ("representation", "knn_20", "kNN@20, representation"),
    ("projection", "class_max_abs_cosine", "class means, largest |cos|"),
    ("projection", "effective_rank", "effective rank, projection"),
)
DISTANCES = {"simo2": "euclidean, as published", "simo2-line": "line"}
LETTERS_RAW_PIXELS = 0.704
LEGEND = "Line: mean. Dots: seeds. On test images."

Points = Mapping[float, list[float]]
"""By value of the setting, what each seed came to."""


def outcomes(folder: Path) -> Iterator[Outcome]:
    """Those of the runs of a study that came to an end."""
    for path in sorted((folder / "runs").iterdir()):
        outcome = Outcome.read(path)
        if outcome is not None and outcome.scores:
            yield outcome


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


GATHERING = {
    "simo2-published": "as published",
    "simo2": "simo2",
    "supcon": "SupCon",
    "cross_entropy": "cross-entropy",
}


@own_look
def draw_gathering(path: Path, folders: Sequence[Path], raw_pixels: float) -> Path:
    """Test kNN against the shape of the batch, a line for each loss."""
    found: dict[str, dict[int, list[float]]] = {name: {} for name in GATHERING}
    for outcome in (outcome for folder in folders for outcome in outcomes(folder)):
        name, _, size = outcome.arm.partition(":samples_per_class=")
        if name in found and size.isdigit():
            found[name].setdefault(int(size), []).append(outcome.scores["representation"]["knn_20"])
    sizes = sorted({k for points in found.values() for k in points})
    figure = new_figure(
        7.5,
        4.0,
        LIGHT,
        "What gathers letters, by the shape of the batch",
        "26 letters · batches of 160 images at most · 400 steps",
        "Test kNN@20 of the representation. Line: mean. Dots: seeds. Dashed: raw pixels.",
    )
    axes = figure.subplots()
    dress(axes, LIGHT)
    for index, (name, points) in enumerate(found.items()):
        colour, marker = look(index, LIGHT)
        for x, k in enumerate(sizes):
            axes.plot([x] * len(points[k]), points[k], "o", color=colour, alpha=0.4, markersize=3, markeredgewidth=0)
        means = [float(np.mean(points[k])) for k in sizes]
        axes.plot(means, color=colour, marker=marker, markersize=4.5, linewidth=1.6, label=GATHERING[name])
    axes.axhline(raw_pixels, color=LIGHT.muted, linewidth=0.9, linestyle="--")
    axes.set_xticks(range(len(sizes)), [f"{min(26, 160 // k)} × {k}" for k in sizes], fontsize=8)
    axes.set_xlabel("classes × images of each in a batch")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))
    axes.set_ylim(top=1.0)
    axes.legend(fontsize=8, frameon=False, labelcolor=LIGHT.ink, ncol=4, loc="upper right")
    return save(figure, path, dpi=110)


FRONTIER = {
    "simo2-published": "as published",
    "simo2": "simo2",
    "supcon": "SupCon",
    "cross_entropy": "cross-entropy",
    "simo2:pull=1:epsilon_start=none": "the paper's pull and ε",
    "simo2:steps=1200": "simo2, 1,200 steps",
}
"""Arms of letters, most of them without their shape of batches.

An arm has the colour of its place here, in the other pictures of letters too."""


@own_look
def draw_frontier(path: Path, folder: Path) -> Path:
    """Test kNN against the largest |cos| of class means, and against the effective rank: a point for each run."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for study in ("letters-gathering", "letters-others", "letters-paper", "letters-long"):
        for outcome in outcomes(folder / study) if (folder / study).is_dir() else ():
            arm = re.sub(r":samples_per_class=(4|8|10|12)$", "", outcome.arm)
            name = FRONTIER.get(arm)
            if name is not None:
                lies = outcome.scores["projection"]
                at = (lies["class_max_abs_cosine"], lies["effective_rank"], outcome.scores["representation"]["knn_20"])
                found.setdefault(name, []).append(at)
    figure = new_figure(
        9.0,
        4.2,
        LIGHT,
        "What gathers, and what ends orthogonal",
        "26 letters · batches of more classes than images of each · 400 steps, where nothing else is said",
        "Test kNN@20 of the representation, and the geometry of the projection on test. A point is a run.",
    )
    panels = figure.subplots(1, 2, sharey=True)
    titles = ("largest |cos| of two class means", "effective rank, of 26 classes")
    for which, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        dress(axes, LIGHT)
        for index, name in enumerate(FRONTIER.values()):
            if name in found:
                colour, marker = look(index, LIGHT)
                x, y = np.array([(run[which], run[2]) for run in found[name]]).T
                axes.plot(x, y, marker, color=colour, markersize=5, alpha=0.8, markeredgewidth=0, label=name)
        axes.set_xlabel(title)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))
    panels[0].legend(fontsize=8, frameon=False, labelcolor=LIGHT.ink, loc="lower left")
    return save(figure, path, dpi=110)


@own_look
def draw_stuck(path: Path, folder: Path, raw_pixels: float) -> Path:
    """Test kNN against the share of same-class pairs at a right angle at the end, and where simo2 begins to warn."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in FRONTIER if name.startswith("simo2")}
    for outcome in outcomes(folder):
        name, _, size = outcome.arm.partition(":samples_per_class=")
        if name in found and size != "80":
            at = (max(1e-4, outcome.geometry["stuck_pairs"]), outcome.scores["representation"]["knn_20"])
            found[name].append(at)
    figure = new_figure(
        7.5,
        3.6,
        LIGHT,
        "Stuck pairs, and what became of the run",
        "26 letters · batches of 26 classes × 4 images to 5 × 32 · 400 steps",
        "Test kNN@20 of the representation against the share of same-class pairs of training images at a right angle. "
        "A point is a run. Dashed: raw pixels.",
    )
    axes = figure.subplots()
    dress(axes, LIGHT)
    for index, (name, label) in enumerate(FRONTIER.items()):
        if points := found.get(name):
            colour, marker = look(index, LIGHT)
            x, y = np.array(points).T
            axes.plot(x, y, marker, color=colour, markersize=5.5, alpha=0.8, markeredgewidth=0, label=label)
    axes.axhline(raw_pixels, color=LIGHT.muted, linewidth=0.9, linestyle="--")
    axes.axvline(STUCK_AT_END, color=LIGHT.accent, linewidth=0.9)
    axes.annotate("simo2 warns", (STUCK_AT_END * 1.07, 0.97), color=LIGHT.accent, fontsize=8, va="top")
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: "0.01% or less" if x <= 1e-4 else f"{100 * x:.4g}%"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}%"))
    axes.set_ylim(0.1, 1.0)
    axes.set_xlabel("same-class pairs at a right angle")
    axes.legend(fontsize=8, frameon=False, labelcolor=LIGHT.ink, loc="lower left")
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
