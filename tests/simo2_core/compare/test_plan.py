import json
import tarfile
from pathlib import Path

import pytest

from simo2_core import parts
from simo2_core.compare.carry_out import open_comparison
from simo2_core.compare.plan import Arm, Plan, arms, make_plan
from simo2_core.config import Config
from simo2_core.errors import ConfigError
from simo2_core.presets import PRESETS

DIGITS = PRESETS["digits"].config


@pytest.mark.parametrize("name", arms())
def test_every_named_arm_works_on_digits_and_on_photographs(name):
    for preset in ("digits", "cifar10"):
        config = Arm.parse(name).config(PRESETS[preset].config)
        assert (config.get("crop") < 1) == (config.data.labels == "none")


def test_encoders_that_need_other_sizes_are_compared_on_the_same_images() -> None:
    wide = Config().replace({"widths": (8,) * 6})  # halved five times, where resnet18 halves three times
    plan = make_plan(wide, ["simo2"], ["yatcnn", "resnet18"], 2, None)
    assert {job.config.images.min_size for job in plan.runs({})} == {32}
    assert make_plan(wide, ["simo2"], ["yatcnn", "cnn"], 2, None).base == wide


def test_a_comparison_is_called_what_a_folder_can_be_called(tmp_path):
    plan = make_plan(DIGITS, ["simo2", "supcon"], [], 2, None)
    for name in ("-x", "[bold]", "a\x07b", "../x", "latest"):
        with pytest.raises(ConfigError, match="name is "):
            open_comparison(tmp_path, name, plan)
    assert list(tmp_path.iterdir()) == []


def test_an_objective_of_ones_own_is_an_arm_wherever_its_file_lies(tmp_path, monkeypatch):
    monkeypatch.setenv(parts.VARIABLE, "")
    file = tmp_path / "own_arm.py"
    file.write_text("def gather(embedding):\n    return 1 - (embedding @ embedding.swapaxes(1, 2)).mean()\n")
    parts.allow(f"{file}:gather")
    arm = Arm.parse(f"{file}:gather:samples_per_class=4")
    assert arm.name == "own_arm.py:gather:samples_per_class=4"
    assert arm.config(DIGITS).objective.name == "own_arm.py:gather"


def test_an_arm_takes_more_settings():
    arm = Arm.parse("simo2:epsilon=1/10:embedding-size=4")
    config = arm.config(DIGITS)
    assert (config.objective.epsilon, config.model.embedding_size) == (0.1, 4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("simo", "Did you mean simo2"),
        ("simo2:epsilon", "setting=value"),
        ("simo2:epsilo=1", "epsilon"),
        ("simo2:epsilon=-1", "epsilon"),
    ],
)
def test_what_is_no_arm_is_refused(text, said):
    with pytest.raises(ConfigError, match=said):
        Arm.parse(text).config(DIGITS)


def test_runs_of_one_seed_differ_in_the_arm_alone():
    plan = make_plan(DIGITS, ["simo2", "supcon"], [], 3, "lr")
    runs = plan.runs({"simo2": 0.1, "supcon": 0.2})
    assert [(job.arm, job.config.seed) for job in runs[:3]] == [("simo2", 0), ("supcon", 0), ("simo2", 1)]
    assert len({job.name for job in runs}) == 6
    back = runs[1].config.replace({"objective": "simo2", "negatives": "slots", "learning_rate": 0.1})
    assert back == runs[0].config


def test_trials_have_seeds_of_their_own():
    plan = make_plan(DIGITS, ["simo2", "simo2-line", "supcon"], [], 2, "epsilon=0.1,1")
    trials = plan.trials()
    assert {job.config.seed for job in trials} == {1000}
    assert [(job.arm, job.value) for job in trials] == [
        ("simo2", 0.1),
        ("simo2", 1.0),
        ("simo2-line", 0.1),
        ("simo2-line", 1.0),
    ], "supcon has no epsilon to choose"
    assert all(job.config.objective.epsilon == job.value for job in trials)
    assert len({job.name for job in trials}) == 4


def test_encoders_cross_with_arms():
    plan = make_plan(DIGITS, ["simo2", "supcon"], ["yatcnn", "cnn"], 2, None)
    assert [arm.name for arm in plan.arms] == ["simo2+yatcnn", "supcon+yatcnn", "simo2+cnn", "supcon+cnn"]
    assert plan.runs({})[3].config.model.encoder.name == "cnn"


def test_a_plan_wants_seeds_and_different_arms():
    with pytest.raises(ConfigError, match="2 or more"):
        make_plan(DIGITS, ["simo2"], [], 1, None)
    with pytest.raises(ConfigError, match="twice"):
        make_plan(DIGITS, ["simo2", "simo2"], [], 2, None)


def before_settings_were_added(plan):
    """`comparison.json` as an earlier simo2 wrote it: without what has been added since."""
    written = json.loads(json.dumps(plan.to_json()))
    del written["settings"], written["assessed"], written["base"]["keep"], written["base"]["data"]["resize"]
    return written


def test_an_upgrade_orphans_no_comparison(tmp_path):
    plan = make_plan(DIGITS, ["simo2", "simo2-line:epsilon=0.1"], ["yatcnn"], 2, "lr")
    (tmp_path / "two").mkdir()
    path = tmp_path / "two" / "comparison.json"
    path.write_text(json.dumps(before_settings_were_added(plan)))
    assert open_comparison(tmp_path, "two", plan) == tmp_path / "two"
    assert open_comparison(tmp_path, "new", plan) == open_comparison(tmp_path, "new", plan)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (make_plan(DIGITS.replace({"steps": 7}), ["simo2", "supcon"], [], 2, None), "steps 400 there and 7 here"),
        (make_plan(DIGITS, ["simo2", "autoencoder"], [], 2, None), "other arms"),
        (make_plan(DIGITS, ["simo2", "supcon"], [], 3, None), "other seeds"),
        (make_plan(DIGITS, ["simo2", "supcon"], [], 2, "lr"), "other sweep"),
        (make_plan(DIGITS, ["simo2", "supcon"], [], 2, "lr=0.1:epsilon=1"), "other sweep"),
    ],
)
def test_another_comparison_is_refused_with_what_is_other(tmp_path, other, said):
    plan = make_plan(DIGITS, ["simo2", "supcon"], [], 2, None)
    open_comparison(tmp_path, "two", plan)
    assert plan.apart(before_settings_were_added(plan)) == []
    with pytest.raises(ConfigError, match=f"with other settings: {said}"):
        open_comparison(tmp_path, "two", other)
    (tmp_path / "two" / "comparison.json").write_text("[]")
    with pytest.raises(ConfigError, match="cannot be read"):
        open_comparison(tmp_path, "two", plan)


def test_arms_that_no_name_stands_for_differ_by_their_settings():
    plans = [Plan(DIGITS, (Arm("a", {"steps": steps}), Arm("b", {})), (0, 1), assessed=False) for steps in (5, 6)]
    assert plans[0].apart(plans[0].to_json()) == []
    assert plans[0].apart(plans[1].to_json()) == ["steps 6 there and 5 here"]
    assert not any(run.assessed for run in plans[0].runs({}))


def test_comparisons_that_were_made_before_are_those_that_they_are():
    with tarfile.open(Path(__file__).parents[1] / "golden" / "runs-of-format-1.tar.xz") as archive:
        written = json.load(archive.extractfile("./comparison/comparison.json"))
    base = Config.from_json(written["base"])
    plan = Plan(base, tuple(map(Arm.parse, written["arms"])), tuple(written["seeds"]))
    assert plan.apart(written) == []
