"""A recipe is settings that exist, fit together, and give way to what is given beside it."""

import pytest

from simo2_core.compare.plan import Arm
from simo2_core.config import Config, all_settings
from simo2_core.errors import ConfigError
from simo2_core.first_settings import first_settings
from simo2_core.objectives.cross_entropy import CrossEntropy
from simo2_core.objectives.simo2 import PUBLISHED
from simo2_core.presets import PRESETS
from simo2_core.recipes import RECIPES, added, beside
from simo2_core.train.step import make_training, require_whole_batch

CIFAR = PRESETS["cifar10"].config


@pytest.mark.parametrize("name", RECIPES)
def test_every_setting_of_a_recipe_is_one(name: str) -> None:
    assert set(RECIPES[name]) <= {item.name for item in all_settings()}


@pytest.mark.parametrize("objective", ["simo2", "supcon", "cross_entropy", "arcface"])
def test_fast_fits_every_objective_and_survives_a_file(objective: str) -> None:
    config = CIFAR.replace({"recipe": "fast", "objective": objective})
    assert (config.model.encoder.name, config.optim.optimizer, config.sampling) == ("airbench", "muon", "balanced")
    assert (config.minutes, config.max_passes) == (20, 60)
    assert config.has("label_smoothing") == (objective == "cross_entropy")
    assert Config.from_json(config.to_json()) == config


def test_what_is_given_beside_a_recipe_holds_then_and_later() -> None:
    config = CIFAR.replace({"recipe": "fast", "learning_rate": 0.1, "flip": False, "steps": 300})
    assert (config.optim.learning_rate, config.get("alternate_flip"), config.minutes) == (0.1, False, 0)
    assert CIFAR.replace({"recipe": "fast", "minutes": 60.0}).max_passes == 0, "an hour is asked for"
    later = config.replace({"recipe": "fast", "momentum": 0.9})
    assert (later.optim.learning_rate, later.optim.momentum) == (0.1, 0.9), "the same recipe again changes nothing"
    assert CIFAR.replace({"recipe": "none"}) == CIFAR
    assert "alternate_flip" not in added("fast", {"sampling": "replacement"})


def test_steps_that_are_given_later_take_the_place_of_the_time() -> None:
    run = CIFAR.replace({"recipe": "fast"})
    longer = run.given({"steps": 5000})
    assert (longer.steps, longer.minutes, longer.max_passes) == (5000, 0, 0)
    assert (run.given({"minutes": 60.0}).minutes, run.given({"minutes": 60.0}).max_passes) == (60, 0)
    assert run.given({"minutes": 0.0}).max_passes == 0
    both = run.given({"minutes": 60.0, "max_passes": 90, "steps": 7})
    assert (both.minutes, both.max_passes, both.steps) == (60, 90, 7)
    assert run.given({"seed": 3}) == run.replace({"seed": 3})
    assert Arm.parse("simo2:steps=300").config(run).minutes == 0


def test_a_cure_names_the_recipe_that_it_would_undo() -> None:
    assert beside(CIFAR.recipe, "--batch-size 9") == "--batch-size 9"
    assert beside("fast", "--batch-size 9") == "--recipe fast --batch-size 9"
    with pytest.raises(ConfigError, match="Use --recipe fast --samples-per-class 48, a multiple of 8"):
        require_whole_batch(CIFAR.replace({"recipe": "fast"}), classes=10, devices=8)


def test_what_turns_a_recipe_off_is_said() -> None:
    first = first_settings("cifar10", {"samples_per_class": 48, "batch_size": 480})
    assert first.config.recipe == "none"
    assert first.why == (
        "with --batch-size and --samples-per-class the recipe fast is not used; --recipe fast beside it keeps its rest."
    )
    more = first_settings("cifar10", {"widths": (8,), "flip": False, "init": "latest", "schedule": "cosine"})
    assert more.why.startswith("with --flip, --init and 2 more the recipe fast is not used")
    assert first_settings("cifar10", {"minutes": 60.0}).why.startswith("small colour photographs")
    assert first_settings("stl10", {"samples_per_class": 48}).why == ""
    assert first_settings("cifar10", {"recipe": "none", "seed": 1}).why == ""


def test_images_grow_in_whole_patches() -> None:
    config = CIFAR.replace({"encoder": "vit_small", "patch_size": 4, "grow_from": 16})
    assert config.sides(28) == (16, 20, 28)
    assert CIFAR.replace({"grow_from": 16}).sides(28) == (16, 22, 28)
    with pytest.raises(ConfigError, match=r"grow_from is 18; it must be a multiple of 4, the patches of vit_small"):
        make_training(config.replace({"grow_from": 18}), 10, (28, 28, 3), None)


def test_the_published_loss_is_that_of_the_paper_in_a_recipe_too() -> None:
    config = CIFAR.replace({"recipe": "fast", "published": True})
    assert {name: config.get(name) for name in PUBLISHED} == dict(PUBLISHED)


def test_runs_of_before_there_were_recipes_have_none() -> None:
    body = CIFAR.to_json()
    del body["recipe"]
    assert Config.from_json(body) == CIFAR


@pytest.mark.parametrize("few", [{"labels_per_class": 5}, {"label_fraction": 0.01}])
def test_few_labels_are_not_counted_in_passes(few: dict[str, float]) -> None:
    run = CIFAR.replace({"recipe": "fast"})
    assert (run.given(few).minutes, run.given(few).max_passes) == (20, 0)
    assert first_settings("cifar10", few).config.max_passes == 0
    assert run.given({**few, "max_passes": 9}).max_passes == 9
    assert run.given({"labels_per_class": 0, "label_fraction": 1.0}).max_passes == 60


def test_the_name_of_a_recipe_cannot_go_without_its_settings() -> None:
    run = CIFAR.replace({"recipe": "fast"})
    with pytest.raises(ConfigError, match=r"recipe is none, but these settings are those of fast.* Leave out --recipe"):
        Arm.parse("simo2:recipe=none").config(run)
    assert Arm.parse("simo2:recipe=none").config(CIFAR) == CIFAR
    assert Arm.parse("simo2:recipe=fast").config(CIFAR).model.encoder.name == "airbench"


def test_steps_of_a_schedule_are_not_held_against_steps_that_do_not_count() -> None:
    warm = {"schedule": "warmup_cosine", "warmup_steps": 20_000}
    assert CIFAR.replace({**warm, "minutes": 60.0}).optim.warmup_steps == 20_000
    with pytest.raises(ConfigError, match="must be below the 10000 steps of the run"):
        CIFAR.replace(warm)


@pytest.mark.parametrize("objective", ["cross_entropy", "opl", "supcon"])
def test_a_part_that_is_chosen_later_is_that_of_the_recipe_too(objective: str) -> None:
    run = CIFAR.replace({"recipe": "fast"})
    at_once = CIFAR.replace({"recipe": "fast", "objective": objective})
    assert run.given({"objective": objective}) == Arm.parse(objective).config(run) == at_once


def test_what_is_given_with_a_part_or_was_there_before_is_not_that_of_the_recipe() -> None:
    run = CIFAR.replace({"recipe": "fast"})
    assert CIFAR.given({"objective": "cross_entropy"}).get("label_smoothing") == 0, "there is no recipe"
    assert run.given({"objective": "cross_entropy", "label_smoothing": 0.1}).get("label_smoothing") == 0.1
    assert run.replace({"objective": CrossEntropy()}).get("label_smoothing") == 0
    sharp = run.replace({"objective": "cross_entropy", "label_smoothing": 0.0})
    assert sharp.given({"objective": "opl"}).get("label_smoothing") == 0
    assert sharp.given({"seed": 3}) == sharp.replace({"seed": 3})
    assert sharp.get("label_smoothing") == 0
