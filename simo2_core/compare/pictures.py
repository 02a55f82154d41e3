"""The pictures of a comparison, from the files in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from simo2_core.analysis.plots.compare import Score, draw_arms, draw_course, draw_grams
from simo2_core.analysis.plots.style import clean
from simo2_core.compare.outcome import Outcome
from simo2_core.compare.plan import Plan
from simo2_core.compare.results import cells
from simo2_core.evaluation.measures import rows_of

SHOWN = (
    ("representation", "knn_20"), ("representation", "linear_probe"), ("representation", "nearest_class_mean"),
    ("representation", "shot_5"), ("projection", "knn_20"), ("projection", "class_max_abs_cosine"),
    ("projection", "class_opposite"), ("projection", "effective_rank"), ("representation", "map_at_r"),
    ("representation", "seconds"),
)  # fmt: skip
"""Features and metric of each panel, and of each column of the table."""

_TITLES = {
    "knn_20": "kNN@20", "linear_probe": "linear probe", "nearest_class_mean": "nearest mean",
    "shot_5": "5 labels a class", "class_max_abs_cosine": "class max |cos|",
    "class_opposite": "opposite classes", "effective_rank": "effective rank", "map_at_r": "mAP@R",
    "seconds": "seconds",
}  # fmt: skip


def title(features: str, key: str) -> str:
    """What a number is of, for a panel or a column."""
    return _TITLES[key] + (", projection" if features == "projection" else "")


def draw_comparison(folder: Path, plan: Plan, outcomes: Sequence[Outcome]) -> list[Path]:
    """Draws `arms.png`, `course.png` and `grams.png` into the folder of the comparison.

    Raises:
        RunError: a file cannot be written.
    """
    sound = [outcome for outcome in outcomes if not outcome.diverged]
    data = plan.base.preset or plan.base.data.dataset
    where = f"comparison {clean(folder.name, 40)} · {clean(data, 40)}"
    caption = f"{where} · {plan.base.steps:,} steps · {len(plan.seeds)} seeds · test"
    shares = {row.key for row in rows_of() if row.share}
    tables = {features: cells(plan, outcomes, features) for features in ("representation", "projection")}
    arms = [arm.name for arm in plan.arms]
    scores = []
    for features, key in SHOWN:
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
        "Of the representation unless it says projection."
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
    return [*drawn, *_draw_grams(folder, plan, sound, caption)]


def _draw_grams(folder: Path, plan: Plan, sound: Sequence[Outcome], caption: str) -> list[Path]:
    seed, configs = plan.seeds[0], {arm.name: arm.config(plan.base) for arm in plan.arms}
    drawn = [outcome for outcome in sound if outcome.seed == seed and outcome.class_gram is not None]
    if not drawn:
        return []
    drawn.sort(key=lambda outcome: list(configs).index(outcome.arm))
    grams = {outcome.arm: np.array(outcome.class_gram, np.float64) for outcome in drawn}
    what = {arm: "projection" if configs[arm].objective.trains_projection else "representation" for arm in grams}
    return [draw_grams(folder / "grams.png", grams, what, f"{caption} · seed {seed} · test images")]
