import pytest

from simo2_core.compare.plan import Arm, Sweep, arms, make_plan
from simo2_core.errors import ConfigError
from simo2_core.presets import PRESETS

DIGITS = PRESETS["digits"].config


@pytest.mark.parametrize("name", arms())
def test_every_named_arm_works_on_digits_and_on_photographs(name):
    for preset in ("digits", "cifar10"):
        config = Arm.parse(name).config(PRESETS[preset].config)
        assert (config.get("crop") < 1) == (config.data.labels == "none")


def test_an_arm_takes_more_settings():
    arm = Arm.parse("simo2:epsilon=1/10:embedding-size=4")
    config = arm.config(DIGITS)
    assert (config.objective.epsilon, config.model.embedding_size) == (0.1, 4)


@pytest.mark.parametrize(
    ("text", "said"),
    [("simo", "Did you mean simo2"), ("simo2:epsilon", "setting=value"), ("simo2:epsilo=1", "epsilon"),
     ("simo2:epsilon=-1", "epsilon")],
)  # fmt: skip
def test_what_is_no_arm_is_refused(text, said):
    with pytest.raises(ConfigError, match=said):
        Arm.parse(text).config(DIGITS)


def test_runs_of_one_seed_differ_in_the_arm_alone():
    plan = make_plan(DIGITS, ["simo2", "supcon"], [], 3, "lr")
    runs = plan.runs({"simo2": 0.1, "supcon": 0.2})
    assert [(job.arm, job.config.seed) for job in runs[:3]] == [("simo2", 0), ("supcon", 0), ("simo2", 1)]
    assert len({job.name for job in runs}) == 6
    back = runs[1].config.replace({"objective": "simo2", "learning_rate": 0.1})
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


def test_the_rate_is_swept_about_that_of_the_preset():
    assert Sweep.parse("lr", DIGITS).values == (0.0004, 0.0012, 0.004, 0.012)
    for text, said in (("epsilon", "names no values"), ("nothing=1", "no setting"), ("epsilon=x", "epsilon")):
        with pytest.raises(ConfigError, match=said):
            Sweep.parse(text, DIGITS)


def test_a_plan_wants_seeds_and_different_arms():
    with pytest.raises(ConfigError, match="2 or more"):
        make_plan(DIGITS, ["simo2"], [], 1, None)
    with pytest.raises(ConfigError, match="twice"):
        make_plan(DIGITS, ["simo2", "simo2"], [], 2, None)
