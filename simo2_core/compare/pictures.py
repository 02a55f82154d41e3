"""The pictures of a comparison, from the files in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simo2_core.analysis.plots.compare import Score, draw_arms, draw_course, draw_grams
from simo2_core.analysis.plots.grid import GridMap, draw_grid
from simo2_core.analysis.plots.style import clean
from simo2_core.compare.outcome import Outcome
from simo2_core.compare.plan import TRIAL_SEEDS, Plan
from simo2_core.compare.results import cells, trial_map
from simo2_core.config import Config
from simo2_core.evaluation.measures import rows_of
from simo2_core.presets import data_name
from simo2_core.settings import as_typed

WORTH = (
    ("representation", "knn_20"),
    ("representation", "nearest_class_mean"),
    ("representation", "linear_probe"),
    ("representation", "shot_5"),
    ("representation", "map_at_r"),
    ("projection", "knn_20"),
    ("projection", "nearest_mean_by_r"),
)
"""Features and metric of what an encoder is worth: of each panel, and of each column of a table."""
GEOMETRY = (
    ("projection", "class_max_abs_cosine"),
    ("projection", "class_opposite"),
    ("projection", "effective_rank"),
    ("projection", "rank_inside"),
    ("projection", "same_right_angle"),
    ("representation", "seconds"),
)
"""Those of where its classes lie, and the time of training."""
_TITLES = {
    "knn_20": "kNN@20",
    "linear_probe": "linear probe",
    "nearest_class_mean": "class means",
    "nearest_mean_by_r": "class means by r",
    "shot_5": "5 labels a class",
    "map_at_r": "mAP@R",
    "class_max_abs_cosine": "class max |cos|",
    "class_opposite": "opposite classes",
    "effective_rank": "effective rank",
    "rank_inside": "rank inside a class",
    "same_right_angle": "right angles inside",
    "seconds": "seconds",
}


def title(features: str, key: str) -> str:
    """What a number is of, for a panel or a column."""
    return _TITLES[key] + (", projection" if features == "projection" and (features, key) not in GEOMETRY else "")


_OF_TRIALS = (
    ("validation", "kNN@20, representation", True),
    ("largest_class_cosine", "class means, max |cos|", False),
    ("effective_rank", "effective rank", False),
    ("stuck_pairs", "stuck same-class pairs", True),
)
"""What is drawn of the trials of a grid: a number, its title, and whether it is a share."""


def draw_comparison(
    folder: Path,
    plan: Plan,
    outcomes: Sequence[Outcome],
    trials: Sequence[Outcome] = (),
    chosen: Mapping[str, Any] = {},
) -> list[Path]:
    """Draws `arms.png`, `course.png`, `grams.png` and, of a grid, `grid.png` into the folder of the comparison.

    Args:
        trials: of the sweep.
        chosen: its choice for each arm.

    Raises:
        RunError: a file cannot be written.
    """
    sound = [outcome for outcome in outcomes if not outcome.diverged]
    data = data_name(plan.base)
    where = f"comparison {clean(folder.name, 40)} · {clean(data, 40)}"
    caption = f"{where} · {_length(plan.base)} · {len(plan.seeds)} seeds · test"
    shares = {row.key for row in rows_of() if row.share}
    tables = {features: cells(plan, outcomes, features) for features in ("representation", "projection")}
    arms = [arm.name for arm in plan.arms]
    scores = []
    for features, key in WORTH + GEOMETRY:
        values = {
            arm: np.array(
                [o.seconds if key == "seconds" else o.scores[features].get(key, np.nan) for o in sound if o.arm == arm]
            )
            for arm in arms
        }
        intervals = {
            arm: tables[features][arm][key].interval if key in tables[features][arm] else np.nan for arm in arms
        }
        scores.append(Score(title(features, key), values, intervals, key in shares))
    raw = next((o.scores["raw_pixels"]["knn_20"] for o in outcomes if "raw_pixels" in o.scores), None)
    notes = [
        "Dots: seeds. Mark and bar: their mean and its 95% interval, which goes on beyond the panel at an arrow head. "
        "Of the representation unless it says projection; geometry is of the projection."
    ]
    if raw is not None:
        notes.append(f"Raw pixels reach {raw:.2%} by kNN@20.")
    drawn = [draw_arms(folder / "arms.png", scores, caption, *notes)]
    courses = {
        arm: [
            (np.array([s for _, s, _ in o.course]), np.array([knn for _, _, knn in o.course]))
            for o in sound
            if o.arm == arm and o.course
        ]
        for arm in arms
    }
    caption = caption.removesuffix(" · test")
    drawn.append(draw_course(folder / "course.png", courses, f"{caption} · validation"))
    return [*drawn, *_draw_grams(folder, plan, sound, caption), *_draw_grid(folder, plan, trials, chosen)]


def _length(config: Config) -> str:
    """How long each run is, for people."""
    return f"{config.minutes:g} minutes" if config.minutes else f"{config.steps:,} steps"


def _draw_grid(folder: Path, plan: Plan, trials: Sequence[Outcome], chosen: Mapping[str, Any]) -> list[Path]:
    if plan.sweep is None or not plan.sweep.grid or not trials:
        return []
    first, second = plan.sweep.axes
    panels = []
    for arm in dict.fromkeys(trial.arm for trial in trials):
        settings = plan.sweep.settings(chosen[arm])
        down, across = (
            axis.values.index(settings[axis.setting]) if axis.setting in settings else 0 for axis in (first, second)
        )
        panels.append(
            [
                GridMap(
                    f"{arm}: {said}" if number == "validation" else said,
                    np.abs(found) if number == "largest_class_cosine" else found,
                    share,
                    number,
                    (down, across),
                )
                for number, said, share in _OF_TRIALS
                if np.isfinite(found := trial_map(plan, trials, arm, number)).any()
            ]
        )
    panels = [row for row in panels if row]
    if not panels:  # every trial diverged
        return []
    data = data_name(plan.base)
    seed = plan.seeds[0] + TRIAL_SEEDS
    caption = f"comparison {clean(folder.name, 40)} · {clean(data, 40)} · {_length(plan.base)} · validation"
    words = [(axis.setting, [*map(as_typed, axis.values)]) for axis in (first, second)]
    note = f"One trial a cell, seed {seed}. Framed: what was chosen by kNN. Grey: diverged."
    return [draw_grid(folder / "grid.png", panels, words[0], words[1], caption, note)]


def _draw_grams(folder: Path, plan: Plan, sound: Sequence[Outcome], caption: str) -> list[Path]:
    seed, configs = plan.seeds[0], {arm.name: arm.config(plan.base) for arm in plan.arms}
    drawn = [outcome for outcome in sound if outcome.seed == seed and outcome.class_gram is not None]
    if not drawn:
        return []
    drawn.sort(key=lambda outcome: list(configs).index(outcome.arm))
    grams = {outcome.arm: np.array(outcome.class_gram, np.float64) for outcome in drawn}
    what = {arm: "projection" if configs[arm].objective.trains_projection else "representation" for arm in grams}
    return [draw_grams(folder / "grams.png", grams, what, f"{caption} · seed {seed} · test images")]
