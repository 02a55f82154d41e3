"""The command that trains a run again."""

from __future__ import annotations

import shlex

from simo2_core.config import Config
from simo2_core.presets import config_for, find_preset, with_views
from simo2_core.settings import as_typed


def settings_changed(config: Config) -> dict[str, str]:
    """The settings that are not those of the run's preset or data set: name to the value, as a user would type it."""
    base = _base(config)
    chosen = {name: config.get(name) for name in ("objective", "encoder", "augmentation")}
    changed = {name: value for name, value in chosen.items() if value != base.get(name)}
    same_parts = base.replace(changed)
    names = [item.name for item in config.settings() if item.name not in ("preset", "labels", *chosen)]
    changed |= {name: as_typed(config.get(name)) for name in names if config.get(name) != same_parts.get(name)}
    if config.data.labels != "classes":  # in the base it stands for more than itself
        changed["labels"] = config.data.labels
    return changed


def train_command(config: Config) -> str:
    """`simo2 train …` with exactly the settings of a run, ready for a shell."""
    words = ["simo2", "train"]
    words += ["--preset", config.preset] if config.preset else ["--dataset", config.data.dataset]
    for name, value in settings_changed(config).items():
        if name != "dataset" or config.preset:
            words += ["--" + name.replace("_", "-"), value]
    return shlex.join(words)


def _base(config: Config) -> Config:
    """What a user gets who names the preset, or the data set, and says nothing else but that labels do not count."""
    base = find_preset(config.preset).config if config.preset else config_for(config.data.dataset)
    return with_views(base) if config.data.labels == "none" else base
