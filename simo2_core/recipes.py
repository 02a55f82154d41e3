"""Recipes: settings that belong together, by name. A row is what was put together, and what it was measured to give.

Giving `--recipe NAME` sets all of a row; whatever else is given beside it holds. Host values only: importing this file
must stay instant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NONE = "none"

_FAST: Mapping[str, Any] = {
    "encoder": "airbench",
    "groups": (64, 256, 256),
    "sampling": "balanced",
    "batch_size": 500,
    "samples_per_class": 50,
    "optimizer": "muon",
    "learning_rate": 0.2,
    "momentum": 0.6,
    "scale_filters": True,
    "rest_rate": 5e-3,
    "schedule": "linear",
    "gradient_clip": 0.0,
    "average": 0.99,
    "brightness": 0.14,
    "contrast": 0.13,
    "saturation": 0.0,
    "flip": True,
    "alternate_flip": True,
    "shift": 2,
    "grow_from": 16,
    "label_smoothing": 0.2,
    "test_views": True,
    "minutes": 20.0,
    "max_passes": 60,
    "eval_every": "5m",
    "plot_every": "never",
}
"""`simo2 train --preset cifar10 --objective cross_entropy`: 20 minutes of two cores, or of whatever there is; with
`--minutes 60` an hour. Put together from airbench94-Muon (arXiv 2404.00498; 94.0% on CIFAR-10 in 8 passes at 32
pixels, with views averaged at test) and smaller images first. Measured on 2026-11-29, 2 CPU cores, one seed, CIFAR-10
from JPEG files, objective simo2 as published: test kNN@20 87.72%, over views 88.71%, in 20 minutes (1,367 steps);
with as many steps cross_entropy 89.45% (its classifier 89.36%) and supcon 88.87%. With all pairs in an hour (4,151
steps) 89.89%, over views 90.45%, and with lines too on another machine (4,022 steps, 2026-11-30) 89.72 and 90.57%; in
a quarter of an hour there (1,010 steps) 87.71%, supcon (971) 87.69%; in half an hour of a third machine (1,550 steps,
2026-12-01) 88.58%, supcon (1,542) 89.33%. On a machine of half the speed cross_entropy in
an hour (2,064 steps) 89.66% (its classifier 89.67%), supcon (1,770) 88.45%. A fast machine ends after 60 passes: on
an NVIDIA H200 18 seconds of training, after 38 of compiling, give simo2 89.35 and 89.69%, cross_entropy 89.79 and
89.53% (two seeds each). Not measured: for other data sets."""

RECIPES: Mapping[str, Mapping[str, Any]] = {"fast": _FAST}
"""Every recipe by its name: settings as `Config.replace` takes them; those that no chosen part has are left out."""


def added(recipe: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a recipe that go with those `given`: all, but for what would contradict them."""
    beaten = {*given, *replaced_by(given)}
    settings = {name: value for name, value in RECIPES[recipe].items() if name not in beaten}
    if given.get("flip") is False:
        settings.pop("alternate_flip", None)
    if given.get("sampling") == "replacement":
        settings.pop("alternate_flip", None)
    return settings


def replaced_by(given: Mapping[str, Any]) -> dict[str, Any]:
    """What else says how long a run is, as it is without: `steps` stand for `minutes`, and either for `max_passes`.

    So do few labels: the passes that all images are enough for, over a few of them, are a handful of steps.
    """
    replaced: dict[str, Any] = {}
    if "steps" in given:
        replaced["minutes"] = 0.0
    few = given.get("labels_per_class", 0) != 0 or given.get("label_fraction", 1.0) != 1
    if "steps" in given or "minutes" in given or few:
        replaced["max_passes"] = 0
    return replaced


def beside(recipe: str, options: str) -> str:
    """Options to use, as they are typed for a run of `recipe`: one that decides them goes where it is not named too."""
    return options if recipe == NONE else f"--recipe {recipe} {options}"
