"""What is compared with what: arms that differ in a few settings, each trained with the same seeds.

An arm is a name that stands for some settings, or such a name with more of them: `simo2-line:epsilon=0.1`.
Everything else (data, order of data, augmentation, steps or minutes, batch) is the same for all arms of one seed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from simo2_core import parts
from simo2_core.compare.sweep import Sweep
from simo2_core.config import Config, all_settings
from simo2_core.errors import ConfigError, did_you_mean
from simo2_core.presets import with_views
from simo2_core.run.difference import settings_apart
from simo2_core.sections import plain

FORMAT = 1
"""Version of `comparison.json`."""

TRIAL_SEEDS = 1000
"""Added to the first seed for the trials of a sweep, so that no run is both chosen by and reported."""


def arms() -> dict[str, dict[str, Any]]:
    """The settings that a short name stands for: each objective by its own name, and the names that it brings."""
    found: dict[str, dict[str, Any]] = {}
    for name, objective in parts.offered("objective").items():
        for arm, settings in ({name: {}} | dict(objective.arms)).items():  # type: ignore[attr-defined]
            found[arm] = {"objective": name, **settings}
    return found


@dataclass(frozen=True)
class Arm:
    """One side of a comparison."""

    name: str
    settings: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str) -> Arm:
        """Reads `simo2-line` or `simo2:epsilon=0.1:embedding_size=4`; raises ConfigError for anything else."""
        word, *pairs = text.strip().split(":")
        stands_for = arms()
        if pairs and word not in stands_for:  # mine.py:Triplet:margin=0.3
            word = parts.short_reference(f"{word}:{pairs.pop(0)}")
        if word not in stands_for:
            near = did_you_mean(word, stands_for)
            raise ConfigError(f"there is no arm {word!r}; choose from {', '.join(stands_for)}.{near}")
        known = {item.name: item for item in all_settings()}
        settings = dict(stands_for[word])
        for pair in pairs:
            name, equals, value = pair.partition("=")
            name = name.strip().replace("-", "_")
            if not equals or name not in known:
                raise ConfigError(
                    f"{pair!r} in the arm {text!r} is no setting=value.{did_you_mean(name, known)} "
                    "Write an arm as simo2:epsilon=0.1."
                )
            settings[name] = known[name].parse(value)
        return cls(":".join((word, *pairs)), settings)

    def config(self, base: Config) -> Config:
        """The settings of the arm, in place of those of `base`."""
        return (with_views(base) if self.settings.get("labels") == "none" else base).given(self.settings)


@dataclass(frozen=True)
class PlannedRun:
    """One run of a comparison."""

    name: str
    """Of its folder."""
    arm: str
    config: Config
    value: Any = None
    """The choice of the sweep, see `Sweep`; None where nothing is swept."""
    assessed: bool = True
    """Whether it is measured as `simo2 eval` does; else it counts by what it says of test itself."""
    trial: bool = False
    """Whether it only serves to choose `value`: it is looked at on validation alone."""


@dataclass(frozen=True)
class Plan:
    """A whole comparison."""

    base: Config
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    sweep: Sweep | None = None
    assessed: bool = True
    """See `PlannedRun`."""

    def __post_init__(self) -> None:
        if len(self.arms) < 1 or len({arm.name for arm in self.arms}) < len(self.arms):
            raise ConfigError("--objectives names no arm, or one twice.")
        if len(self.seeds) < 2:
            raise ConfigError("--seeds is 1; it must be 2 or more: one run has no interval.")
        for arm in self.arms:
            arm.config(self.base)

    def trials(self) -> list[PlannedRun]:
        """The runs that a sweep chooses by: one for each arm and value."""
        if self.sweep is None:
            return []
        return [
            self._job(arm, self.seeds[0] + TRIAL_SEEDS, value, trial=True)
            for arm in self.arms
            for value in self.sweep.choices(arm.config(self.base))
        ]

    def runs(self, chosen: Mapping[str, Any]) -> list[PlannedRun]:
        """The runs that are reported, seed by seed; `chosen` has the choice of the sweep for each arm."""
        return [
            self._job(arm, seed, chosen.get(arm.name), swept=arm.name in chosen)
            for seed in self.seeds
            for arm in self.arms
        ]

    def _job(self, arm: Arm, seed: int, value: Any, *, swept: bool = True, trial: bool = False) -> PlannedRun:
        config = arm.config(self.base).replace({"seed": seed})
        name = f"{slug(arm.name)}-s{seed}"
        if self.sweep is not None and swept:
            settings = self.sweep.settings(value)
            config = config.given(settings)
            name += "".join(f"-{slug(str(each))}" for each in settings.values()) if trial else ""
        name = f"trial-{name}" if trial else name
        if trial:
            config = config.replace({"patience": 0})  # a trial ends before it reads test, which patience would read
        return PlannedRun(name, arm.name, config, value, assessed=self.assessed, trial=trial)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict, which `apart` holds against another plan."""
        return {
            "format": FORMAT,
            "base": self.base.to_json(),
            "arms": [arm.name for arm in self.arms],
            "settings": {arm.name: {name: plain(value) for name, value in arm.settings.items()} for arm in self.arms},
            "seeds": list(self.seeds),
            "sweep": None if self.sweep is None else self.sweep.to_json(),
            "assessed": self.assessed,
        }

    def apart(self, written: Any) -> list[str]:
        """In what a `comparison.json` of now or of before is another plan, in words; empty where it is this one.

        What is compared is what the settings mean: those that the file does not have yet had their defaults.
        """
        try:
            base = Config.from_json(written["base"])
            known = {"sweep": None, "assessed": True, **written}
            mine = json.loads(json.dumps(self.to_json()))
            words = {"arms": "arms", "seeds": "seeds", "sweep": "sweep", "assessed": "measures"}
            apart = [f"other {text}" for name, text in words.items() if known[name] != mine[name]]
            # in files of before they were written, the name of an arm alone says its settings
            settings = {arm.name: arm.settings for arm in self.arms} | known.get("settings", {})
            each = [(arm.config(self.base), Arm(arm.name, settings[arm.name]).config(base)) for arm in self.arms]
        except (ConfigError, KeyError, TypeError, AttributeError) as error:
            return [f"it cannot be read ({error!s:.80})"]
        for here, there in each:
            if here != there and not apart:
                apart = [f"{name} {a} there and {b} here" for name, (a, b) in settings_apart([there, here]).items()]
        return apart


def make_plan(base: Config, arms: Iterable[str], encoders: Iterable[str], seeds: int, sweep: str | None) -> Plan:
    """A plan as the command line gives it.

    Args:
        arms: see `Arm.parse`.
        encoders: when there are any, every arm is trained with each of them.
        seeds: how many, from that of `base` on.
        sweep: see `Sweep.parse`.

    Raises:
        ConfigError: what cannot work.
    """
    each = [Arm.parse(text) for text in arms]
    crossed = [
        replace(arm, name=f"{arm.name}+{encoder}", settings={**arm.settings, "encoder": encoder})
        for encoder in encoders
        for arm in each
    ]
    arms_of = tuple(crossed or each)
    return Plan(
        _of_one_size(base, arms_of),
        arms_of,
        tuple(range(base.seed, base.seed + seeds)),
        None if sweep is None else Sweep.parse(sweep, base),
    )


def _of_one_size(base: Config, arms: Iterable[Arm]) -> Config:
    """The settings with which encoders that need images of other sizes get the same ones."""
    sides = {arm.config(base).images.min_size for arm in arms}
    return base if base.data.image_size or len(sides) == 1 else base.replace({"min_size": max(sides)})


def slug(text: str) -> str:
    """`simo2:epsilon=0.1` as part of a folder's name."""
    return re.sub(r"[^\w.+-]+", "_", text)
