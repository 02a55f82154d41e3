"""The command that trains a run again."""

from __future__ import annotations

import shlex
from typing import Any

from simo2_core.config import Config
from simo2_core.first_settings import first_settings, recipe_for
from simo2_core.recipes import NONE, replaced_by
from simo2_core.settings import as_typed


def settings_changed(config: Config) -> dict[str, str]:
    """The settings that are not those of the run's preset or data set: name to the value, as a user would type it."""
    preset, named = config.preset or None, _named(config)
    base = first_settings(preset, named).config
    chosen = {name: config.get(name) for name in ("objective", "encoder", "augmentation")}
    parts = {name: value for name, value in chosen.items() if value != base.get(name)}
    same_parts = first_settings(preset, named | parts).config
    left_out = ("preset", "recipe", "labels", *chosen)
    names = [item.name for item in config.settings() if item.name not in left_out]
    values = {name: config.get(name) for name in names if config.get(name) != same_parts.get(name)}
    if config.recipe != NONE:  # what some of these stand in for, or take away, is said beside them
        values |= {name: config.get(name) for name in replaced_by(values)}
        again = first_settings(preset, named | parts | values).config
        values |= {name: config.get(name) for name in names if config.get(name) != again.get(name)}
    changed = parts | {name: as_typed(value) for name, value in values.items()}
    if config.data.labels != "classes":  # in the base it stands for more than itself
        changed["labels"] = config.data.labels
    if config.recipe == NONE:
        by_itself, _ = recipe_for(preset, changed if preset else {"dataset": config.data.dataset} | changed)
        return changed if by_itself == NONE else {"recipe": NONE, **changed}
    return {"recipe": config.recipe, **changed}


def train_command(config: Config) -> str:
    """`simo2 train …` with exactly the settings of a run, ready for a shell."""
    words = ["simo2", "train"]
    words += ["--preset", config.preset] if config.preset else ["--dataset", config.data.dataset]
    for name, value in settings_changed(config).items():
        if name != "dataset" or config.preset:
            words += ["--" + name.replace("_", "-"), value]
    return shlex.join(words)


def _named(config: Config) -> dict[str, Any]:
    """What a user gives who names the recipe, and the data set without a preset, and whether labels count."""
    given: dict[str, Any] = {"recipe": config.recipe, "labels": config.data.labels}
    return given if config.preset else given | {"dataset": config.data.dataset}
