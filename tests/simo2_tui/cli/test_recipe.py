"""A folder of small photographs is trained by the recipe for it, unless something is given that it would decide."""

from typing import Any

import pytest

from simo2_core.data import small_photographs
from simo2_core.presets import PRESETS, with_views
from simo2_tui.cli.options import resolve


@pytest.mark.parametrize(
    ("given", "recipe"),
    [
        ({}, "fast"),
        ({"seed": 3, "objective": "cross_entropy"}, "fast"),
        ({"steps": 300}, "fast"),
        ({"recipe": "none"}, "none"),
        ({"encoder": "resnet18"}, "none"),
        ({"widths": "8,8"}, "none"),
        ({"image_size": 64}, "none"),
        ({"init": "hf:timm/resnet18"}, "none"),
        ({"learning_rate": 1e-3}, "none"),
        ({"labels": "none"}, "none"),
    ],
)
def test_a_recipe_is_used_by_itself_where_it_says_all(
    given: dict[str, Any], recipe: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(small_photographs, "are_small_photographs", lambda _: True)
    config = resolve(None, {"dataset": "photos", **given})
    assert config.recipe == recipe
    assert (config.model.encoder.name == "airbench") == (recipe == "fast")
    assert ("--recipe fast is used" in capsys.readouterr().err) == (recipe == "fast")
    if "steps" in given:
        assert (config.steps, config.minutes) == (300, 0)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "svhn_cropped"])
def test_a_preset_of_small_photographs_is_trained_by_its_recipe(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    original = PRESETS[name].config
    config = resolve(name, {"seed": 3})
    assert (config.recipe, config.model.encoder.name, config.minutes) == ("fast", "airbench", 20)
    assert config.model.embedding_size == original.model.embedding_size
    assert config.get("flip") == config.get("alternate_flip") == (name != "svhn_cropped")
    assert "--recipe none trains as the original did" in capsys.readouterr().err
    assert resolve(name, {"seed": 3, "recipe": "fast"}) == config
    assert capsys.readouterr().err == "", "it was named"
    assert resolve(None, {"dataset": original.data.dataset, "seed": 3}) == config, "by the name of the data set"
    assert resolve(name, {"recipe": "none"}) == original
    assert resolve(name, {"encoder": "resnet18"}) == original.replace({"encoder": "resnet18"})
    assert resolve(name, {"labels": "none"}) == with_views(original).replace({"labels": "none"})


def test_other_presets_are_trained_as_they_say() -> None:
    for name, preset in PRESETS.items():
        assert (resolve(name, {}) == preset.config) == (preset.recipe == "none")
