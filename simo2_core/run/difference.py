"""In what runs differ: their settings, and what else decides their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simo2_core.config import Config, all_settings
from simo2_core.settings import as_typed

ABSENT = "-"
"""Where a run does not say."""


def settings_apart(configs: Sequence[Config]) -> dict[str, tuple[str, ...]]:
    """The settings that are not the same in all: name to the values, as a user would type them."""
    each = {item.name: tuple(_typed(config, item.name) for config in configs) for item in all_settings()}
    return {name: values for name, values in each.items() if len(set(values)) > 1}


def _typed(config: Config, name: str) -> str:
    return as_typed(config.get(name)) if config.has(name) else ABSENT


def facts_apart(facts: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """The facts of `config.json` that are not the same in all, such as `packages.jax` or `fingerprint`."""
    flat = [_flatten(one) for one in facts]
    names = sorted({name for one in flat for name in one})
    each = {name: tuple(one.get(name, ABSENT) for one in flat) for name in names}
    return {name: values for name, values in each.items() if len(set(values)) > 1}


def _flatten(facts: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + str(name)] = str(value)
    return flat
