"""A recipe is settings that exist, fit together, and give way to what is given beside it."""

import pytest

from simo2_core.config import Config, all_settings
from simo2_core.objectives.simo2 import PUBLISHED
from simo2_core.presets import PRESETS
from simo2_core.recipes import RECIPES, added

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


def test_the_published_loss_is_that_of_the_paper_in_a_recipe_too() -> None:
    config = CIFAR.replace({"recipe": "fast", "published": True})
    assert {name: config.get(name) for name in PUBLISHED} == dict(PUBLISHED)


def test_runs_of_before_there_were_recipes_have_none() -> None:
    body = CIFAR.to_json()
    del body["recipe"]
    assert Config.from_json(body) == CIFAR
