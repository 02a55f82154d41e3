"""A folder of small photographs is trained by the recipe for it, unless something is given that it would decide."""

from typing import Any

import pytest

from simo2_core.data import small_photographs
from simo2_tui.cli.options import resolve


@pytest.mark.parametrize(
    ("given", "recipe"),
    [
        ({}, "fast"),
        ({"seed": 3, "objective": "cross_entropy"}, "fast"),
        ({"steps": 300}, "fast"),
        ({"recipe": "none"}, "none"),
        ({"encoder": "resnet18"}, "none"),
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


def test_presets_are_trained_as_they_say() -> None:
    assert resolve("cifar10", {}).recipe == "none"
    assert resolve("cifar10", {"recipe": "fast"}).model.encoder.name == "airbench"
