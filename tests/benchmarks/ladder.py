"""What each part of the recipe `fast` gives: runs of it with one thing left out, of a few minutes each.

    python -m tests.benchmarks.ladder FOLDER_OF_IMAGES OUT.jsonl SEED,SEED… [NAME=VALUE …]

A line of JSON for each run: kNN@20 of validation, the classifier, and the geometry. Test is not read. Settings behind
the seeds hold in every run: `groups=32,128,128 image_size=16` makes one four minutes of a core.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simo2_core.analysis.embed import TrainedEncoder, compile_embed
from simo2_core.config import Config
from simo2_core.data.dataset import Dataset
from simo2_core.data.load import load_dataset
from simo2_core.evaluation.evaluate import evaluate
from simo2_core.events import Evaluated
from simo2_core.first_settings import first_settings
from simo2_core.train.feed import place
from simo2_core.train.preparation import prepare
from simo2_core.train.step import compile_call
from simo2_core.train.training import classifier_of

STEPS = 342
LOSSES = {"ce": "cross_entropy", "simo2": "simo2"}
RUNGS: dict[str, dict[str, Any]] = {
    "recipe": {},
    "adamw": {"optimizer": "adamw", "scale_filters": False, "learning_rate": 2e-3},
    "no flip": {"flip": False, "alternate_flip": False},
    "with replacement": {"sampling": "replacement", "alternate_flip": False},
    "flip by a coin": {"alternate_flip": False},
    "no shift": {"shift": 0},
    "no average": {"average": 0.0},
    "filters free": {"scale_filters": False},
    "no light": {"brightness": 0.0, "contrast": 0.0},
}
"""Settings beside those of the recipe."""
OF_ONE: dict[str, tuple[str, dict[str, Any]]] = {
    "ce no smoothing": ("cross_entropy", {"label_smoothing": 0.0}),
    "simo2 published": ("simo2", {"published": True}),
}


def arms() -> Iterator[tuple[str, dict[str, Any]]]:
    for rung, settings in RUNGS.items():
        for word, objective in LOSSES.items():
            yield f"{word} {rung}", {"objective": objective, **settings}
    yield "supcon recipe", {"objective": "supcon"}
    for name, (objective, settings) in OF_ONE.items():
        yield name, {"objective": objective, **settings}


def trained(config: Config, dataset: Dataset) -> Evaluated:
    """What validation says of a run."""
    ready = prepare(config, dataset)
    step, state = ready.begin(ready.config)
    data = place(ready.drawn)
    call, left = compile_call(step, state, data), config.steps
    while left:
        state, _, begun = call(state, data, min(left, 16))
        left -= int(begun)
    params, stats = state.evaluated
    of = ready.data
    encoder = TrainedEncoder(compile_embed(step.network), params, stats, of.mean, of.std, of.image_shape)
    return evaluate(encoder, of, "validation", config.steps, 0.0, classifier_of(step, state)).event


def main(folder: str, out: Path, seeds: list[int], always: dict[str, str]) -> None:
    dataset = None
    for seed in seeds:
        for name, settings in arms():
            given = {
                "dataset": folder,
                "recipe": "fast",
                "steps": STEPS,
                "grow_from": 0,
                "seed": seed,
                **always,
                **settings,
            }
            config = first_settings(None, given).config
            dataset = dataset or load_dataset(config.images)
            seen = trained(config, dataset)
            row = {"arm": name, "seed": seed, "knn": seen.knn_representation, "classifier": seen.classifier}
            row |= {"rank": seen.effective_rank, "largest_cosine": seen.largest_class_cosine}
            with out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(name, seed, f"{seen.knn_representation:.2%}", flush=True)


if __name__ == "__main__":
    folder, out, seeds, *settings = sys.argv[1:]
    main(folder, Path(out), [int(seed) for seed in seeds.split(",")], dict(word.split("=") for word in settings))
