import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

from simo2_core.compare.outcome import Outcome
from simo2_core.compare.plan import make_plan
from simo2_core.compare.results import cells, choose, to_json
from simo2_core.errors import RunError
from simo2_core.presets import PRESETS

DIGITS = PRESETS["digits"].config
FIRST, SECOND = [0.90, 0.92, 0.95, 0.91], [0.93, 0.94, 0.955, 0.95]


def outcome(arm, seed, knn, **changes):
    found = Outcome(arm=arm, seed=seed, value=None, step=9, diverged=False, validation=knn, seconds=2.0 + seed,
                    course=((9, 1.5, knn),), scores={"representation": {"knn_20": knn}})  # fmt: skip
    return dataclasses.replace(found, **changes)


def both():
    rows = {"simo2": FIRST, "supcon": SECOND}
    return [outcome(arm, seed, knn) for arm, row in rows.items() for seed, knn in enumerate(row)]


def plan(sweep=None):
    return make_plan(DIGITS, ["simo2", "supcon"], [], 4, sweep)


def test_intervals_and_tests_are_those_of_scipy():
    outcomes = [
        outcome(arm, seed, knn) for arm, row in (("simo2", FIRST), ("supcon", SECOND)) for seed, knn in enumerate(row)
    ]
    table = cells(plan(), outcomes, "representation")
    cell = table["supcon"]["knn_20"]
    low, high = stats.t.interval(0.95, 3, loc=np.mean(SECOND), scale=stats.sem(SECOND))
    assert (cell.mean - cell.interval, cell.mean + cell.interval) == pytest.approx((low, high))
    assert cell.p == pytest.approx(stats.ttest_rel(SECOND, FIRST).pvalue)
    assert cell.difference == pytest.approx(np.mean(np.subtract(SECOND, FIRST)))
    assert np.isnan(table["simo2"]["knn_20"].p)
    assert table["simo2"]["seconds"].mean == pytest.approx(3.5)


def test_seeds_that_diverged_are_left_out_of_both_sides_of_a_pair():
    outcomes = [
        outcome(arm, seed, knn) for arm, row in (("simo2", FIRST), ("supcon", SECOND)) for seed, knn in enumerate(row)
    ]
    outcomes[5] = dataclasses.replace(outcomes[5], diverged=True, scores={})
    cell = cells(plan(), outcomes, "representation")["supcon"]["knn_20"]
    kept = [0, 2, 3]
    assert cell.runs == 3
    assert cell.p == pytest.approx(stats.ttest_rel(np.array(SECOND)[kept], np.array(FIRST)[kept]).pvalue)
    assert (
        json.loads(json.dumps(to_json(plan(), {}, outcomes, ["representation"]), allow_nan=False))["diverged"]["supcon"]
        == 1
    )


def test_equal_runs_are_no_evidence_and_a_constant_gap_is():
    same = [outcome(arm, seed, 0.5) for arm in ("simo2", "supcon") for seed in range(3)]
    assert cells(plan(), same, "representation")["supcon"]["knn_20"].p == 1.0
    gap = [outcome(arm, seed, 0.5 + 0.1 * (arm == "supcon")) for arm in ("simo2", "supcon") for seed in range(3)]
    assert cells(plan(), gap, "representation")["supcon"]["knn_20"].p == pytest.approx(0, abs=1e-6)


def test_the_best_trial_is_chosen_and_of_equals_the_nearest_to_the_preset():
    swept = plan("lr")  # 0.0004, 0.0012, 0.004, 0.012 about 0.004
    trials = [outcome("simo2", 1000, 0.9, value=value) for value in swept.sweep.axes[0].values]
    assert choose(swept, trials)["simo2"] == 0.004
    trials[0] = dataclasses.replace(trials[0], validation=0.91)
    assert choose(swept, trials)["simo2"] == 0.0004
    trials[0] = dataclasses.replace(trials[0], diverged=True)
    assert choose(swept, trials)["simo2"] == 0.004
    assert choose(swept, trials)["supcon"] == 0.0004, "where all diverged, the smallest is the safest"


def test_an_outcome_survives_its_file_and_damage_is_named(tmp_path):
    assert Outcome.read(tmp_path) is None
    whole = outcome("simo2", 3, 0.5, class_gram=[[1.0, None], [None, None]])
    whole.write(tmp_path)
    assert Outcome.read(tmp_path) == whole
    path = tmp_path / "outcome.json"
    for damage in (b"", b"[]", b"{}", path.read_bytes()[:-3], path.read_bytes().replace(b"course", b"curse")):
        path.write_bytes(damage)
        with pytest.raises(RunError, match="measured again"):
            Outcome.read(tmp_path)
