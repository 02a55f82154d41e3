"""What a comparison tries on validation before its runs: the values of one setting, or of two in a grid."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from itertools import product
from typing import Any

from simo2_core.config import Config, all_settings
from simo2_core.errors import ConfigError, did_you_mean
from simo2_core.sections import plain
from simo2_core.settings import as_typed

FACTORS = (0.1, 0.3, 1.0, 3.0)
"""What `--sweep lr` multiplies the learning rate of the preset with."""

MOST_TRIALS = 400
"""Of one arm; a grid of more is a slip of the finger."""

_NEXT = re.compile(r":(?=[\w-]+=)")
"""Between two settings; a colon in a value, as in `objective=mine.py:Lines`, is none."""


@dataclass(frozen=True)
class Axis:
    """A setting and the values that are tried."""

    setting: str
    values: tuple[Any, ...]

    @classmethod
    def parse(cls, text: str, base: Config) -> Axis:
        """Reads `lr`, which tries the preset's rate times `FACTORS`, or `epsilon=0.001,0.01`."""
        name, _, values = text.partition("=")
        name = {"lr": "learning_rate"}.get(name.strip(), name.strip().replace("-", "_"))
        known = {item.name: item for item in all_settings()}
        if name not in known:
            raise ConfigError(f"{name!r} in --sweep is no setting.{did_you_mean(name, known)}")
        if values:
            return cls(name, tuple(dict.fromkeys(known[name].parse(value) for value in values.split(","))))
        if name != "learning_rate":
            raise ConfigError(f"--sweep {name} names no values; write --sweep {name}=V1,V2,...")
        return cls(name, tuple(float(f"{base.optim.learning_rate * factor:.3g}") for factor in FACTORS))

    def to_json(self) -> dict[str, Any]:
        return {"setting": self.setting, "values": [plain(value) for value in self.values]}


@dataclass(frozen=True)
class Sweep:
    """Settings whose values are chosen for each arm, by validation kNN of one trial each.

    A choice is the value of the one setting; in a grid it is the value of each by name, of those that an arm has.
    """

    axes: tuple[Axis, ...]
    """One or two."""

    @classmethod
    def parse(cls, text: str, base: Config) -> Sweep:
        """Reads one setting, as `Axis.parse`, or two with a colon between: `epsilon=0.1,1:bias=0,0.5`."""
        axes = tuple(Axis.parse(part, base) for part in _NEXT.split(text))
        if len(axes) > 2 or len({axis.setting for axis in axes}) < len(axes):
            raise ConfigError(
                f"--sweep {text} names {len(axes)} settings; it takes one, or two different ones: "
                "--sweep epsilon=0.1,1:bias=0,0.5."
            )
        trials = math.prod(len(axis.values) for axis in axes)
        if trials > MOST_TRIALS:
            raise ConfigError(f"--sweep {text} is {trials:,} trials of each arm; at most {MOST_TRIALS} are allowed.")
        return cls(axes)

    @property
    def grid(self) -> bool:
        """Whether it varies two settings."""
        return len(self.axes) == 2

    def choices(self, config: Config) -> list[Any]:
        """Everything to try of an arm; empty where it has none of the settings."""
        mine = [axis for axis in self.axes if config.has(axis.setting)]
        if not mine:
            return []
        if not self.grid:
            return [*self.axes[0].values]
        names = [axis.setting for axis in mine]
        return [dict(zip(names, values, strict=True)) for values in product(*(axis.values for axis in mine))]

    def settings(self, choice: Any) -> dict[str, Any]:
        """The settings that a choice stands for, as it was made or as a file has it."""
        found = choice if self.grid else {self.axes[0].setting: choice}
        tried = {axis.setting: {json.dumps(plain(value)): value for value in axis.values} for axis in self.axes}
        return {name: tried[name].get(json.dumps(plain(value)), value) for name, value in found.items()}

    def told(self, choice: Any) -> str:
        """A choice in words: `epsilon 1, bias 0.5`."""
        return ", ".join(f"{name} {as_typed(value)}" for name, value in self.settings(choice).items())

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict; of one setting as it was before there were grids."""
        return {"grid": [axis.to_json() for axis in self.axes]} if self.grid else self.axes[0].to_json()
