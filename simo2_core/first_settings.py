"""What a run begins with: the settings of its preset or data set, and the recipe that suits such images.

The same for the command line and the launcher. Host values only: importing this file must stay instant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simo2_core.config import Config, all_settings
from simo2_core.presets import PRESETS, Preset, config_for, find_preset, with_views
from simo2_core.recipes import NONE, RECIPES

_LEFT_OPEN = {"minutes", "max_passes", "eval_every", "plot_every", "test_views", "label_smoothing"}
"""What a recipe sets, and may be given beside it without another recipe being meant."""
_OF_ITS_OWN = {"recipe", "init", "image_size"}
"""What makes a run another: weights have an encoder of their own, and images of another size another recipe."""


@dataclass(frozen=True)
class FirstSettings:
    """The settings to begin with, and how they came about."""

    original: Config
    """Of the preset or the data set, without a recipe."""
    base: Config
    """With the recipe: what is trained where nothing else is given."""
    config: Config
    """With what is given in its place."""
    why: str = ""
    """Why there is a recipe that nobody named, or one that suits is not used: a sentence; empty where neither is so."""


def first_settings(preset: str | None, given: Mapping[str, Any], *, look: bool = True) -> FirstSettings:
    """The settings of the preset, of the data set, or else of `digits`, with those `given` in their place.

    Args:
        preset: its name.
        look: whether a folder may be looked into, which takes a second where it holds a hundred thousand files.

    Raises:
        ConfigError: there is no such preset, or what cannot work.
    """
    original, row = _original(preset, given)
    recipe, why = recipe_for(preset, given, look=look)
    more: dict[str, Any] = {"recipe": recipe}
    if row is not None and recipe != NONE:
        more |= row.beside_recipe
    if row is not None and not original.get("flip"):
        more["flip"] = False  # digits and letters are never mirrored, whatever a recipe says
    return FirstSettings(original, original.replace(more), original.replace({**more, **given}), why)


def recipe_for(preset: str | None, given: Mapping[str, Any], *, look: bool = True) -> tuple[str, str]:
    """The recipe of a run, and why it is used where it is not given: none where something is given that it decides."""
    if "recipe" in given:
        return given["recipe"], ""
    if given.get("labels") == "none":
        return NONE, ""
    row = _row(preset, given)
    recipe = NONE if row is None else row.recipe
    if row is None and look:
        from simo2_core.data.small_photographs import are_small_photographs

        recipe = "fast" if are_small_photographs(given["dataset"]) else NONE
    if recipe == NONE:
        return NONE, ""
    if decided := sorted(_decided() & given.keys()):
        options = _listed([f"--{name.replace('_', '-')}" for name in decided])
        return NONE, f"with {options} the recipe {recipe} is not used; --recipe {recipe} beside it keeps its rest."
    return recipe, f"small colour photographs, so --recipe {recipe} is used; --recipe none trains as the original did."


def _listed(options: list[str]) -> str:
    """`--a`, `--a and --b`, or `--a, --b and 5 more`."""
    if len(options) < 3:
        return " and ".join(options)
    return f"{', '.join(options[:2])} and {len(options) - 2} more"


def _decided() -> set[str]:
    """What a recipe decides: where one of these is given, another run is meant."""
    of_encoders = {item.name for item in all_settings() if item.kind == "encoder"}
    return (set().union(*RECIPES.values()) - _LEFT_OPEN) | _OF_ITS_OWN | of_encoders


def _row(preset: str | None, given: Mapping[str, Any]) -> Preset | None:
    """The row of the table that is meant; None for a data set that has none."""
    if preset is not None or "dataset" not in given:
        return find_preset("digits" if preset is None else preset)
    return next((row for row in PRESETS.values() if row.config.data.dataset == given["dataset"]), None)


def _original(preset: str | None, given: Mapping[str, Any]) -> tuple[Config, Preset | None]:
    row = _row(preset, given)
    config = config_for(given["dataset"]) if row is None else row.config
    return (with_views(config) if given.get("labels") == "none" else config), row
