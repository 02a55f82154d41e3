import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from simo2_core.compare.outcome import Outcome
from simo2_core.compare.pictures import draw_comparison
from simo2_core.compare.plan import make_plan
from simo2_core.compare.results import choose, to_json, trial_map
from simo2_core.compare.sweep import Sweep
from simo2_core.errors import ConfigError
from simo2_core.presets import PRESETS
from simo2_core.settings import Cadence
from simo2_tui.cli.compare import _progress, grid_lines

DIGITS = PRESETS["digits"].config
GRID = "epsilon=1/137,1:pull=1,balanced,3"


def trials_of(plan, knn, **changes):
    """Outcomes of all trials: `knn` of the settings of each."""
    return [
        Outcome(arm=job.arm, seed=job.config.seed, value=job.value, step=9, diverged=False, seconds=2.0, scores={},
                validation=knn(plan.sweep.settings(job.value)), course=((9, 1.5, 0.5),),
                geometry={"largest_class_cosine": -0.5, "effective_rank": 3.0}, **changes)
        for job in plan.trials()
    ]  # fmt: skip


def test_the_rate_is_swept_about_that_of_the_preset():
    assert Sweep.parse("lr", DIGITS).axes[0].values == (0.0004, 0.0012, 0.004, 0.012)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epsilon", "names no values"),
        ("nothing=1", "no setting"),
        ("epsilon=x", "epsilon"),
        ("lr:epsilo=1", "epsilon"),
        ("epsilon=1:epsilon=2", "two different ones"),
        ("epsilon=1:bias=0:lr=1", "names 3 settings"),
        ("seed=" + ",".join(map(str, range(401))), "401 trials"),
    ],
)
def test_what_is_no_sweep_is_refused(text, said):
    with pytest.raises(ConfigError, match=said):
        Sweep.parse(text, DIGITS)


def test_a_colon_in_a_value_parts_no_settings():
    [axis] = Sweep.parse("init=here:there", DIGITS).axes
    assert axis.values == ("here:there",)


def test_a_grid_tries_every_pair_of_the_settings_that_an_arm_has():
    plan = make_plan(DIGITS, ["simo2", "supcon", "cross_entropy"], [], 2, "lr=0.1,0.2:epsilon=1/137,1")
    trials = plan.trials()
    assert [job.value for job in trials if job.arm == "simo2"] == [
        {"learning_rate": lr, "epsilon": epsilon} for lr in (0.1, 0.2) for epsilon in (1 / 137, 1.0)
    ]
    assert [job.value for job in trials if job.arm == "supcon"] == [{"learning_rate": 0.1}, {"learning_rate": 0.2}]
    assert len({job.name for job in trials}) == len(trials) == 8
    assert (trials[1].config.optim.learning_rate, trials[1].config.objective.epsilon) == (0.1, 1.0)
    assert plan.apart(json.loads(json.dumps(plan.to_json()))) == []


def test_a_grid_of_what_cannot_go_together_is_refused_before_a_run():
    with pytest.raises(ConfigError, match="pull"):
        make_plan(DIGITS, ["simo2"], [], 2, "pull=balanced:reduction=sum,mean").trials()


def test_an_arm_without_the_setting_is_trained_as_it_is():
    plan = make_plan(DIGITS, ["simo2", "supcon"], [], 2, "epsilon=0.1,1")
    chosen = choose(plan, trials_of(plan, lambda settings: settings["epsilon"] / 2))
    assert chosen == {"simo2": 1.0}
    assert [job.config.objective.name for job in plan.runs(chosen)[:2]] == ["simo2", "supcon"]


def test_none_is_a_value_to_choose():
    plan = make_plan(DIGITS.replace({"same_epsilon": 2}), ["simo2"], [], 2, "same_epsilon=none,1")
    chosen = choose(plan, trials_of(plan, lambda settings: float(settings["same_epsilon"] is None)))
    assert plan.runs(chosen)[0].config.objective.same_epsilon is None


def test_the_best_pair_is_chosen_and_of_equals_the_nearest_to_the_preset():
    plan = make_plan(DIGITS, ["simo2", "simo2:epsilon=1"], [], 2, "epsilon=0.01,1:bias=0,0.5")
    same = trials_of(plan, lambda settings: 0.5)
    assert choose(plan, same) == {
        "simo2": {"epsilon": 0.01, "bias": 0.0},
        "simo2:epsilon=1": {"epsilon": 1.0, "bias": 0.0},
    }
    better = trials_of(plan, lambda settings: 0.5 + settings["bias"])
    chosen = choose(plan, better)
    assert chosen["simo2"] == {"epsilon": 0.01, "bias": 0.5}
    assert plan.runs(chosen)[0].config.objective.bias == 0.5
    diverged = [dataclasses.replace(trial, diverged=True) for trial in better]
    assert choose(plan, diverged)["simo2"] == {"epsilon": 0.01, "bias": 0.0}


def test_a_grid_becomes_a_table_a_map_and_a_picture(tmp_path):
    plan = make_plan(DIGITS, ["simo2", "supcon"], [], 2, GRID)
    trials = trials_of(plan, lambda settings: 0.5 + settings["epsilon"] / 4)
    trials[-1] = dataclasses.replace(trials[-1], diverged=True, geometry={})
    found = trial_map(plan, trials, "simo2", "validation")
    assert found[:, 0].tolist() == [0.5 + 1 / 137 / 4, 0.75]
    assert np.isnan(found[1, 2])
    lines = grid_lines(plan, trials)
    assert lines[1].split() == ["epsilon", "\\", "pull", "1", "balanced", "3"]
    assert [line.split() for line in lines[2:]] == [["1/137", "50.2", "50.2", "50.2"], ["1", "75.0", "75.0", "-"]]
    chosen = choose(plan, trials)
    told = json.loads(json.dumps(to_json(plan, chosen, [], ["representation"], trials), allow_nan=False))
    assert told["chosen"] == {"simo2": {"epsilon": 1.0, "pull": 1.0}}
    assert told["trials"][0]["value"] == {"epsilon": 1 / 137, "pull": 1.0}
    runs = [
        Outcome(arm=arm, seed=seed, value=None, step=9, diverged=False, validation=0.5, seconds=2.0,
                course=((9, 1.5, 0.5),), scores={"representation": {"knn_20": 0.5}, "projection": {}})
        for arm in ("simo2", "supcon") for seed in (0, 1)
    ]  # fmt: skip
    files = draw_comparison(tmp_path, plan, runs, trials, chosen)
    with Image.open(next(path for path in files if path.name == "grid.png")) as picture:
        assert picture.width > 400


def test_a_grid_outcome_survives_its_file(tmp_path):
    plan = make_plan(DIGITS, ["simo2"], [], 2, GRID)
    for trial in trials_of(plan, lambda settings: 0.5):
        trial.write(tmp_path)
        assert Outcome.read(tmp_path) == trial


@pytest.mark.parametrize("sweep", ["eval_every=50,2m", "eval_every=50,2m:lr=0.1,0.2"])
def test_how_often_something_happens_is_swept_written_and_read_back(sweep, tmp_path, capsys):
    plan = make_plan(DIGITS, ["simo2"], [], 2, sweep)
    trials = trials_of(plan, lambda settings: 0.5 + float(settings["eval_every"] == Cadence(seconds=120)) / 4)
    read = []
    with _progress(plan, len(trials), as_json=True) as (_, done):
        for trial in trials:
            trial.write(tmp_path)
            read.append(Outcome.read(tmp_path))
            done(read[-1], True)
    assert read == trials
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "120s" in str(lines[-1]["value"])
    chosen = choose(plan, read)
    assert {job.config.eval_every for job in plan.runs(chosen)} == {Cadence(seconds=120)}
    for choice in (chosen, choose(plan, [dataclasses.replace(trial, diverged=True) for trial in read])):
        json.dumps(to_json(plan, choice, [], ["representation"], read), allow_nan=False)
    if plan.sweep.grid:
        assert trial_map(plan, read, "simo2", "validation").tolist() == [[0.5, 0.5], [0.75, 0.75]]
