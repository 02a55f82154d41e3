"""What a comparison says: means with intervals, and whether an arm differs from the first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.compare.outcome import Outcome
from simo2_core.compare.plan import Plan
from simo2_core.sections import plain

SECONDS = "seconds"
"""The key of the time of training, beside those of the rows of the metrics."""


@dataclass(frozen=True)
class Cell:
    """One metric of one arm over the seeds."""

    mean: float
    interval: float
    """Half the width of the 95% interval of the mean, by Student's t; NaN for one run."""
    runs: int
    difference: float
    """Mean difference to the first arm over the seeds that both have; 0 for the first itself."""
    p: float
    """Of a paired t-test of that difference, two-sided; NaN where there is none to make."""


def choose(plan: Plan, trials: Sequence[Outcome]) -> dict[str, Any]:
    """The choice of the sweep for each arm that has one: the best on validation, of equals the nearest to the preset.

    Distances are between logarithms for numbers above 0, and add up in a grid.
    """
    if plan.sweep is None:
        return {}
    settings = plan.sweep.settings
    chosen = {}
    for arm in plan.arms:
        config = arm.config(plan.base)
        mine = [trial for trial in trials if trial.arm == arm.name and not trial.diverged]
        if mine:
            usual = {name: config.get(name) for name in settings(mine[0].value)}
            chosen[arm.name] = max(mine, key=lambda t: (t.validation, -_far(settings(t.value), usual))).value
        elif choices := plan.sweep.choices(config):
            chosen[arm.name] = min(choices, key=lambda value: sum(_apart(each, 0) for each in settings(value).values()))
    return chosen


def _far(values: Mapping[str, Any], usual: Mapping[str, Any]) -> float:
    return sum(_apart(value, usual[name]) for name, value in values.items())


def _apart(value: Any, other: Any) -> float:
    numbers = [number for number in (value, other) if isinstance(number, int | float) and number > 0]
    if len(numbers) == 2:
        return abs(math.log(numbers[0] / numbers[1]))
    return abs(value - other) if isinstance(value, int | float) and isinstance(other, int | float) else value != other


def trial_map(plan: Plan, trials: Sequence[Outcome], arm: str, number: str) -> NDArray[np.float64]:
    """What the trials of an arm came to: (values of the first axis of a grid, values of the second), NaN for none.

    A setting that the arm does not have has the same number along its whole axis.

    Args:
        number: `validation`, or a key of `Outcome.geometry`.
    """
    assert plan.sweep is not None
    first, second = plan.sweep.axes
    found = np.full((len(first.values), len(second.values)), np.nan)
    for trial in trials:
        if trial.arm != arm or trial.diverged:
            continue
        settings = plan.sweep.settings(trial.value)
        value = trial.validation if number == "validation" else trial.geometry.get(number, math.nan)
        at = [
            [i for i, each in enumerate(axis.values) if axis.setting not in settings or settings[axis.setting] == each]
            for axis in (first, second)
        ]
        found[np.ix_(*at)] = value
    return found


def cells(plan: Plan, outcomes: Sequence[Outcome], features: str) -> dict[str, dict[str, Cell]]:
    """By arm and metric, of one kind of features; runs that diverged are left out. `SECONDS` is among the metrics."""
    first = plan.arms[0].name
    by_arm: dict[str, dict[int, Mapping[str, float]]] = {arm.name: {} for arm in plan.arms}
    for outcome in outcomes:
        if not outcome.diverged:
            by_arm[outcome.arm][outcome.seed] = {**outcome.scores.get(features, {}), SECONDS: outcome.seconds}
    table = {}
    for arm, seeds in by_arm.items():
        keys = [key for key in next(iter(seeds.values()), {}) if all(key in scores for scores in seeds.values())]
        table[arm] = {
            key: _cell(
                {seed: scores[key] for seed, scores in seeds.items()},
                {seed: scores[key] for seed, scores in by_arm[first].items() if key in scores} if arm != first else {},
            )
            for key in keys
        }
    return table


def _cell(mine: Mapping[int, float], others: Mapping[int, float]) -> Cell:
    from scipy import stats

    values = np.array([*mine.values()])
    n = len(values)
    interval = math.nan
    if n > 1:
        interval = float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / math.sqrt(n))
    differences = np.array([mine[seed] - others[seed] for seed in mine if seed in others])
    difference = float(differences.mean()) if len(differences) else 0.0
    p = math.nan
    if len(differences) > 1:
        spread = differences.std(ddof=1) / math.sqrt(len(differences))
        # the same difference every time, to rounding, is certain or none
        tiny = spread <= 1e-12 * max(1.0, abs(difference))
        t = math.inf if tiny else abs(difference) / spread
        p = float(2 * stats.t.sf(t, len(differences) - 1)) if abs(difference) > 1e-12 else 1.0
    return Cell(float(values.mean()), interval, n, difference, p)


def to_json(
    plan: Plan,
    chosen: Mapping[str, Any],
    outcomes: Sequence[Outcome],
    features: Sequence[str],
    trials: Sequence[Outcome] = (),
) -> dict[str, Any]:
    """Everything that was found, JSON-ready: what is not a number is null."""
    return {
        **plan.to_json(),
        "chosen": plain(chosen),
        "trials": [
            {
                "arm": trial.arm,
                "value": trial.value,
                "seed": trial.seed,
                "diverged": trial.diverged,
                "validation": trial.validation,
                **trial.geometry,
            }
            for trial in trials
        ],
        "diverged": {
            arm.name: sum(outcome.diverged for outcome in outcomes if outcome.arm == arm.name) for arm in plan.arms
        },
        "results": {
            name: {
                arm: {
                    key: {
                        "mean": cell.mean,
                        "interval": _finite(cell.interval),
                        "runs": cell.runs,
                        "difference": cell.difference,
                        "p": _finite(cell.p),
                    }
                    for key, cell in by_key.items()
                }
                for arm, by_key in cells(plan, outcomes, name).items()
            }
            for name in features
        },
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
