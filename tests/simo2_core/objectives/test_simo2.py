"""What the settings of SIMO2 mean; the loss itself is held against loops in `test_loss`."""

import dataclasses
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core.compare.plan import Arm
from simo2_core.compiling import jit
from simo2_core.config import Config
from simo2_core.errors import ConfigError
from simo2_core.loss import simo2_loss
from simo2_core.objectives.objective import DECIDED, Batch, Seen, Task
from simo2_core.objectives.simo2 import PUBLISHED, Simo2

TASK = Task(10, (8, 8, 1), 8, 8, (8,))


def seen_at(progress):
    z = np.random.default_rng(0).normal(size=(5, 3, 8))
    z /= np.linalg.norm(z, axis=-1, keepdims=True)
    return Seen(jnp.asarray(z, jnp.float32), jnp.zeros((15, 8)), jnp.arange(5), jnp.zeros((15, 8, 8, 1)), progress)


@pytest.mark.parametrize(
    ("progress", "until", "share"), [(0.0, 1.0, 0.0), (0.5, 1.0, 0.5), (1.0, 1.0, 1.0), (0.25, 0.5, 0.5), (0.9, 0.5, 1)]
)
def test_epsilon_falls_as_a_geometric_series(progress, until, share):
    objective = Simo2(epsilon=0.01, same_epsilon=1.0, epsilon_start=100.0, epsilon_until=until, pull=1)
    between, same = 100 ** (1 - share) * 0.01**share, 100 ** (1 - share)
    assert float(objective.epsilon_at(progress, 100.0, same=False)) == pytest.approx(between, rel=1e-5)
    assert float(objective.epsilon_at(progress, 100.0, same=True)) == pytest.approx(same, rel=1e-5)
    found = jit(lambda progress: objective.loss({}, seen_at(progress), TASK))(jnp.float32(progress))
    given = partial(simo2_loss, epsilon=between, same_epsilon=same, negatives="all")
    expected = jit(given)(seen_at(0).embedding)
    assert float(found.total) == pytest.approx(float(expected.total), rel=1e-5)


def test_without_a_course_epsilon_is_a_constant_of_the_program():
    assert Simo2(epsilon=0.5).epsilon_at(jnp.float32(0.3), None, same=True) == 0.5


@pytest.mark.parametrize(
    ("shape", "changes", "pull", "first"),
    [
        ((26, 4), {}, 50 / 3, None),
        ((13, 12), {}, 24 / 11, None),
        ((12, 13), {}, 22 / 12, None),
        ((16, 16), {}, 2.0, None),
        ((10, 14), {}, 18 / 13, None),
        ((10, 15), {}, 1.0, None),
        ((2, 2), {}, 2.0, None),
        ((2, 3), {}, 1.0, None),
        ((1, 4), {}, 1.0, None),
        ((5, 32), {}, 1.0, None),
        ((5, 1), {}, 1.0, None),
        ((26, 4), {"published": True}, 1.0, None),
        ((26, 4), {"reduction": "mean"}, 1.0, None),
        ((26, 4), {"pull": 2}, 2.0, None),
        ((26, 4), {"epsilon_start": "auto"}, 50 / 3, 1.0),
        ((10, 15), {"epsilon_start": "auto"}, 1.0, None),
        ((26, 4), {"reduction": "mean", "epsilon_start": "auto"}, 1.0, None),
        ((26, 4), {"pull": 2, "epsilon_start": "auto"}, 2.0, 1.0),
        ((26, 4), {"epsilon": 3.0, "epsilon_start": "auto"}, 50 / 3, 3.0),
        ((26, 4), {"same_epsilon": 4.0, "epsilon_start": "auto"}, 50 / 3, 4.0),
        ((5, 32), {"pull": "balanced", "epsilon_start": 5}, 4 / 31, 5.0),
    ],
)
def test_the_loss_is_the_papers_where_a_batch_has_images_enough_of_a_class_and_gathers_where_not(
    shape, changes, pull, first
):
    objective = Simo2(**changes)
    assert objective.pull_of(*shape) == pytest.approx(pull)
    assert objective.first_epsilon(*shape) == first


def test_auto_is_what_it_stands_for():
    auto = Simo2(epsilon_start="auto").loss({}, seen_at(0.3), TASK)
    typed = Simo2(pull=2 * 4 / 2, epsilon_start=1.0).loss({}, seen_at(0.3), TASK)
    paper = Simo2(published=True).loss({}, seen_at(0.3), TASK)
    assert float(auto.total) == float(typed.total) != float(paper.total)


@pytest.mark.parametrize(
    ("changes", "negatives"),
    [({}, "all"), ({"published": True}, "slots"), ({"negatives": "slots"}, "slots"), ({"negatives": "all"}, "all")],
)
def test_all_pairs_of_classes_count_unless_the_papers_are_asked_for(changes, negatives):
    found = Simo2(pull=1, epsilon_start=None, **changes).loss({}, seen_at(0.3), TASK)
    expected = simo2_loss(seen_at(0.3).embedding, negatives=negatives)
    assert float(found.terms["diff"]) == float(expected.diff)


def test_a_run_of_format_3_keeps_the_pairs_that_it_had():
    today = Config().to_json()
    assert today["objective"]["negatives"] == "auto"
    left = {name: value for name, value in today["objective"].items() if name != "negatives"}
    of_then = Config.from_json({**today, "format": 3, "objective": left}).objective
    assert (of_then.negatives, of_then.pull) == ("slots", "auto")


@pytest.mark.parametrize(
    ("size", "samples", "pull", "start"),
    [
        (256, 16, 1.0, None),
        (160, 13, 1.0, None),
        (160, 8, "auto", "auto"),
        (160, 16, "auto", "auto"),
    ],
)
def test_a_run_of_format_4_keeps_what_auto_stood_for_then(size, samples, pull, start):
    config = Config().replace({"batch_size": size, "samples_per_class": samples, "epsilon_start": "auto"})
    of_then = Config.from_json({**config.to_json(), "format": 4})
    assert (of_then.objective.pull, of_then.objective.epsilon_start) == (pull, start)
    typed = config.replace({"pull": 3})
    assert Config.from_json({**typed.to_json(), "format": 4}).objective.pull == 3.0
    assert Config.from_json(config.to_json()) == config


def test_a_run_of_before_keeps_the_settings_that_it_had():
    today = Config().to_json()
    assert (today["objective"]["pull"], today["objective"]["epsilon_start"]) == ("auto", None)
    left = {name: value for name, value in today["objective"].items() if name not in ("pull", "epsilon_start")}
    of_then = Config.from_json({**today, "format": 2, "objective": left}).objective
    assert (of_then.pull, of_then.epsilon_start) == (1.0, None)
    kept = Config.from_json({**today, "format": 2, "objective": {**left, "pull": 3.0, "epsilon_start": 2.0}}).objective
    assert (kept.pull, kept.epsilon_start) == (3.0, 2.0)
    fell = Config.from_json({**today, "objective": {**today["objective"], "epsilon_start": "auto"}}).objective
    assert fell.first_epsilon(26, 4) == 1.0, "ε fell by default until format 5"


def test_what_auto_chooses_is_said_and_only_where_it_changes_something():
    few = Batch(classes=26, samples=4, size=104, all_classes=26, dimensions=16, labels="classes")
    (told,) = (finding for finding in Simo2().advice(few) if finding.code == DECIDED)
    assert told.message.endswith("pairs of one class weigh 16.7.")
    (told,) = (finding for finding in Simo2(epsilon_start="auto").advice(few) if finding.code == DECIDED)
    assert told.message.endswith("pairs of one class weigh 16.7, and ε begins at 1.")
    assert "few-pairs" not in [finding.code for finding in Simo2().advice(few)]
    assert "few-pairs" in [finding.code for finding in Simo2(published=True).advice(few)]
    many = dataclasses.replace(few, classes=10, samples=16)
    for objective, batch in (
        (Simo2(), many),
        (Simo2(published=True), few),
        (Simo2(pull="balanced", epsilon_start=1), few),
    ):
        assert DECIDED not in [finding.code for finding in objective.advice(batch)]


@pytest.mark.parametrize(
    "changes",
    [
        {"pull": "balanced"},
        {"pull": 0.5, "same_epsilon": 2.0},
        {"same_bias": 1.0, "epsilon_start": 1e-4},
        {"epsilon_start": 10.0, "pull": 3},
        {"reduction": "mean", "pull": 2, "same_epsilon": 3.0},
    ],
)
def test_terms_keep_above_their_floors_and_reach_them(changes):
    objective = Simo2(**changes)
    terms = objective.terms(5, 3)
    at_best = seen_at(1)._replace(embedding=jnp.asarray(np.repeat(np.eye(5, 8)[:, None], 3, axis=1), jnp.float32))
    least = 0.0 if changes.get("epsilon_start", 1) < 1 / 137 else 1.0  # where ε is smallest, the floor is reached
    for seen in (seen_at(0.0), seen_at(0.5), seen_at(1.0)):
        loss = objective.loss({}, seen, TASK)
        assert float(sum(loss.terms.values())) == pytest.approx(float(loss.total), rel=1e-6)
        values = {"total": loss.total, **loss.terms}
        assert all(float(values[name]) >= term.floor for name, term in terms.items())
    reached = objective.loss({}, at_best._replace(progress=least), TASK)
    for name, term in terms.items():
        assert float({"total": reached.total, **reached.terms}[name]) == pytest.approx(term.floor, rel=1e-4)


def test_balanced_weighs_by_the_pairs_of_an_image():
    plain, balanced = (Simo2(pull=pull, epsilon_start=None).loss({}, seen_at(1), TASK) for pull in (1.0, "balanced"))
    assert float(balanced.terms["same"]) == pytest.approx(float(plain.terms["same"]) * 4 / 2, rel=1e-6)
    assert float(balanced.terms["diff"]) == float(plain.terms["diff"])


def test_a_pull_is_read_from_text_and_from_json():
    assert Simo2(pull="3").pull == 3.0
    assert Simo2(pull="19/7").pull == pytest.approx(19 / 7)
    config = Config().replace({"pull": "balanced"})
    assert Config.from_json(config.to_json()) == config
    assert Arm.parse("simo2:pull=balanced:epsilon=1").settings["pull"] == "balanced"


@pytest.mark.parametrize(
    ("given", "classes", "used"),
    [("auto", 8, "line"), ("auto", 9, "euclidean"), ("euclidean", 8, "euclidean"), ("line", 9, "line")],
)
def test_classes_are_compared_as_lines_where_all_of_the_data_set_fit_at_right_angles(given, classes, used):
    """The embedding has eight dimensions; how many of the classes a batch draws, five here, says nothing."""
    objective = Simo2(distance=given, pull=1, epsilon_start=None)
    found = jit(lambda seen: objective.loss({}, seen, dataclasses.replace(TASK, classes=classes)))(seen_at(1))
    expected = jit(partial(simo2_loss, distance=used, negatives="all"))(seen_at(1).embedding)
    assert float(found.total) == pytest.approx(float(expected.total), rel=1e-6)
    batch = Batch(classes=5, samples=16, size=80, all_classes=classes, dimensions=8, labels="classes")
    decided = [finding.message for finding in objective.advice(batch) if finding.code == DECIDED]
    assert [("--distance line" in message) for message in decided] == [True] * (given == "auto" and used == "line")


def test_the_cure_of_opposite_classes_is_one_that_can_be_typed():
    batch = Batch(classes=5, samples=16, size=80, all_classes=8, dimensions=8, labels="classes")
    for objective, cure in (
        (Simo2(distance="euclidean"), "--distance line"),
        (Simo2(published=True), "--distance line without --published"),
    ):
        assert cure in objective.about_opposite_classes()[1]
        (told,) = (finding for finding in objective.advice(batch) if finding.code == "line-advised")
        assert told.cure == f"For orthogonal class means use {cure}."
    assert Simo2().about_opposite_classes() == Simo2(distance="line").about_opposite_classes() == ("", "")


def test_the_arms_of_a_comparison_are_what_they_are_called():
    assert Arm.parse("simo2-balanced").config(Config()).objective == Simo2(epsilon=1, pull="balanced")
    assert Arm.parse("simo2-published").config(Config().replace({"epsilon": 1})).objective == Simo2(published=True)


@pytest.mark.parametrize(("changes", "said"), [
    ({"pull": "balance"}, "must be a number, or one of auto, balanced. Did you mean balanced"),
    ({"pull": 0}, "pull is 0"), ({"pull": float("nan")}, "pull is nan"), ({"same_epsilon": 0}, "same_epsilon is 0"),
    ({"epsilon_start": -1}, "epsilon_start"), ({"epsilon_until": 0}, "epsilon_until"), ({"same_bias": -1}, "same_bias"),
    ({"pull": "balanced", "reduction": "mean"}, "use --pull 1"),
])  # fmt: skip
def test_what_cannot_work_is_refused(changes, said):
    with pytest.raises(ConfigError, match=said):
        Simo2(**changes)


def test_published_is_the_paper_in_one_word_and_takes_no_other_setting_beside_it():
    changed = Config().replace({"pull": 3, "epsilon": 1, "same_bias": 1, "distance": "line", "epsilon_start": 5})
    back = changed.replace({"published": True}).objective
    assert {name: getattr(back, name) for name in PUBLISHED} == PUBLISHED
    assert {item.name for item in dataclasses.fields(Simo2)} == {*PUBLISHED, "published"}, "one that nobody sets back"
    with pytest.raises(ConfigError, match=r"pull is 3.0; it must be 1 with --published\. Leave out --pull"):
        changed.replace({"published": True, "pull": 3})
    with pytest.raises(ConfigError, match=r"epsilon is 1.0; it must be 1/137"):
        changed.replace({"published": True}).replace({"epsilon": 1})
    again = changed.replace({"published": True}).replace({"epsilon": 1, "published": False}).objective
    assert again.epsilon == 1


def test_a_pull_that_evens_out_the_pairs_is_no_reason_to_warn():
    batch = Batch(classes=20, samples=8, size=160, all_classes=26, dimensions=32, labels="classes")
    (warning,) = (finding for finding in Simo2(pull=1).advice(batch) if finding.code == "few-pairs")
    assert warning.cure.startswith("Use --pull auto; or --samples-per-class")
    (warning,) = (finding for finding in Simo2(published=True).advice(batch) if finding.code == "few-pairs")
    assert warning.cure.startswith("Leave out --published; or")
    for pull, warned in ((2.0, True), (2.6, True), (2.71, False), (2.8, False), ("balanced", False)):
        assert ("few-pairs" in [finding.code for finding in Simo2(pull=pull).advice(batch)]) == warned


@pytest.mark.parametrize(
    ("classes", "samples", "warned"), [(26, 4, True), (17, 9, True), (16, 10, False), (26, 10, False)]
)
def test_many_images_of_a_class_are_no_reason_to_warn_of_the_published_loss(classes, samples, warned):
    size = classes * samples
    batch = Batch(classes=classes, samples=samples, size=size, all_classes=26, dimensions=32, labels="classes")
    assert ("few-pairs" in [finding.code for finding in Simo2(published=True).advice(batch)]) == warned


def test_a_balanced_pull_that_is_weaker_than_the_papers_is_said():
    batch = Batch(classes=5, samples=32, size=160, all_classes=26, dimensions=32, labels="classes")
    told = {pull: [finding.code for finding in Simo2(pull=pull).advice(batch)] for pull in ("balanced", 1.0, "auto")}
    assert [pull for pull, codes in told.items() if "weak-pull" in codes] == ["balanced"]
    assert "few-pairs" not in told["balanced"]


@pytest.mark.parametrize(
    ("classes", "samples", "size", "all_classes", "most", "pull", "cures"),
    [
        (20, 8, 160, 26, None, 1.0, ["--samples-per-class 10, which draws 16 classes", "--batch-size 64"]),
        (10, 4, 400, 10, None, 1.0, ["--samples-per-class 10, which draws 10 classes", "--batch-size 16"]),
        (20, 8, 160, 26, 9, 1.0, ["--batch-size 64"]),
        (20, 8, 160, 26, 10, 1.0, ["--samples-per-class 10, which draws 16 classes", "--batch-size 64"]),
        (20, 8, 160, 26, None, 2.0, ["--samples-per-class 9, which draws 17 classes", "--batch-size 120"]),
        (3, 2, 6, 3, 2, 1.0, ["--batch-size 4"]),
        (2, 2, 4, 2, 2, 0.5, []),
    ],
)
def test_the_batches_advised_have_no_more_classes_and_images_than_there_are(
    classes, samples, size, all_classes, most, pull, cures
):
    batch = Batch(
        classes=classes,
        samples=samples,
        size=size,
        all_classes=all_classes,
        dimensions=64,
        labels="classes",
        most_samples=most,
    )
    (warning,) = (finding for finding in Simo2(pull=pull).advice(batch) if finding.code == "few-pairs")
    assert warning.cure.count("; or ") == len(cures)
    assert all(cure in warning.cure for cure in cures)
