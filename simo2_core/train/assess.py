"""What a trained encoder is worth, beside the same network untrained and beside raw pixels.

RUN/eval/STEP/              of the run's own data; eval/STEP-NAME/ of another data set
  eval.json                 every number, with how it was measured and on which part
  eval.png  confusion.png
  features.npz              what the encoders made of every image, so that it is made once
"""

from __future__ import annotations

import dataclasses
import io
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.classification import Classification, classification
from simo2_core.analysis.few_shot import Estimate
from simo2_core.analysis.geometry import class_gram
from simo2_core.analysis.worth import METRICS, Worth, measure
from simo2_core.config import DataConfig
from simo2_core.data.dataset import Dataset, Part
from simo2_core.data.load import load_dataset
from simo2_core.data.progress import Report, silent
from simo2_core.errors import ConfigError, DataError
from simo2_core.presets import config_for
from simo2_core.run.directory import RunDirectory
from simo2_core.run.files import disk_error, write_whole
from simo2_core.train.checkpoint import read_meta
from simo2_core.train.evaluate import flatten_pixels
from simo2_core.train.restore import load_encoder, untrained_encoder

FORMAT = 1
"""Version of `eval.json`."""

FEATURES = ("representation", "projection", "raw_pixels", "random_representation", "random_projection")
"""What is measured: the two outputs of the encoder, the pixels, and the same two outputs before the first step."""

_PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Assessment:
    """A checkpoint measured on a data set."""

    checkpoint: Path
    step: int
    data: str
    fingerprint: str
    class_names: tuple[str, ...]
    images: dict[str, int]
    """By part."""
    worth: dict[str, Worth]
    """By name in `FEATURES`."""
    classes: Classification
    """Of test, by kNN with k = 20 on the representation."""
    class_grams: dict[str, NDArray[np.float64]]
    """(C, C) signed cosines of the class means of test, by name of the features."""

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict; a number that could not be measured is not in it."""
        return {
            "format": FORMAT,
            "checkpoint": str(self.checkpoint),
            "step": self.step,
            "data": self.data,
            "fingerprint": self.fingerprint,
            "images": self.images,
            "metrics": describe_metrics(),
            "scores": {name: scores_to_json(worth.scores) for name, worth in self.worth.items()},
            "linear_probe": {
                name: {"C": worth.probe_C, "validation": worth.probe_validation} for name, worth in self.worth.items()
            },
            "classes": [
                {"name": name, "images": int(images), "precision": float(p), "recall": float(r), "f1": float(f)}
                for name, images, p, r, f in zip(
                    self.class_names, self.classes.images, self.classes.precision, self.classes.recall,
                    self.classes.f1, strict=True,
                )
            ],
            "confusion": self.classes.confusion.tolist(),
        }  # fmt: skip


def describe_metrics() -> dict[str, dict[str, str]]:
    """What each metric is, which part it is measured on and which part it was fitted on."""
    return {m.key: {"label": m.label.strip(), "split": m.split, "fit": m.fit, "how": m.how} for m in METRICS}


def scores_to_json(scores: dict[str, Estimate]) -> dict[str, dict[str, float]]:
    """`{"knn_20": {"value": 0.99}, "shot_1": {"value": 0.9, "interval": 0.01}}`."""
    return {
        key: {"value": mean} if np.isnan(interval) else {"value": mean, "interval": interval}
        for key, (mean, interval) in scores.items()
    }


def folder_of(run: RunDirectory, checkpoint: Path, data: str | None) -> Path:
    """Where the files of an assessment lie."""
    other = "" if data is None else "-" + (re.sub(r"[^\w.]+", "-", data).strip("-") or "data")
    return run.path / "eval" / f"{checkpoint.name}{other}"


def assess(
    run: RunDirectory, checkpoint: Path, *, data: str | None = None, features: Sequence[str] = FEATURES,
    report: Report = silent, say: Callable[[str], None] = lambda _: None,
) -> Assessment:  # fmt: skip
    """Measures a checkpoint of a run on the test part of its own data set, or of another.

    Everything is fitted on train and chosen on validation; test is only read.

    Args:
        checkpoint: in `run`.
        data: a data set as for `simo2 train --dataset`; its images are made as large as those of the run and
            normalised by the statistics of the run.
        features: which of `FEATURES` to measure, `representation` among them.
        report: told how far preparing and decoding are.
        say: told what is being done.

    Raises:
        DataError: the data is missing, has changed since training, or does not fit the encoder.
        RunError: the checkpoint is damaged, or the disk refuses.
    """
    meta = read_meta(checkpoint)
    dataset = load_dataset(data_config(run, meta["image_shape"], data), report=report)
    if dataset.image_shape != tuple(meta["image_shape"]):
        raise DataError(
            f"images of {dataset.name} are {dataset.image_shape}; the encoder takes {tuple(meta['image_shape'])}. "
            "Train on images of that size."
        )
    if data is None and meta["fingerprint"] != dataset.fingerprint:
        raise DataError(
            f"{dataset.name} has changed since {run.path} was trained, so its test images may have been trained on. "
            "Put the data back, or train again."
        )
    made = _features(folder_of(run, checkpoint, data), checkpoint, dataset, say)
    labels = {name: _part(dataset, name).labels for name in _PARTS}
    classes = len(dataset.class_names)
    worth = {}
    for name in features:
        heading = name.replace("_", " ")
        worth[name] = measure(made[name], labels, classes=classes, say=_prefixed(say, heading))
    return Assessment(
        checkpoint=checkpoint,
        step=int(checkpoint.name),
        data=dataset.name,
        fingerprint=dataset.fingerprint,
        class_names=dataset.class_names,
        images={name: len(_part(dataset, name)) for name in _PARTS},
        worth=worth,
        classes=classification(labels["test"], worth["representation"].predicted, classes=classes),
        class_grams={name: class_gram(made[name]["test"], labels["test"], classes) for name in features},
    )


def summarise(assessments: Sequence[Assessment]) -> dict[str, dict[str, Estimate]]:
    """The mean over runs of every score, by features and metric, with the standard deviation (n - 1) beside it.

    Raises:
        ConfigError: fewer than two runs, or runs of different data.
    """
    if len(assessments) < 2:
        raise ConfigError("one run has no mean and deviation; name two or more.")
    for other in assessments[1:]:
        if other.fingerprint != assessments[0].fingerprint:
            raise ConfigError(
                f"{assessments[0].checkpoint} and {other.checkpoint} are measured on different images "
                f"({assessments[0].data}, {other.data}), so a mean of them says nothing. Evaluate them apart."
            )
    summary: dict[str, dict[str, Estimate]] = {}
    for name in FEATURES:
        each = [assessment.worth[name].scores for assessment in assessments]
        shared = [key for key in each[0] if all(key in scores for scores in each)]
        values = {key: np.array([scores[key].mean for scores in each]) for key in shared}
        summary[name] = {key: Estimate(float(v.mean()), float(v.std(ddof=1))) for key, v in values.items()}
    return summary


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Writes a JSON file whole, making its folder if need be; raises RunError when the disk refuses."""
    _write(path, json.dumps(data, indent=1, allow_nan=False).encode())


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise disk_error("writing", path, error) from error


def _prefixed(say: Callable[[str], None], heading: str) -> Callable[[str], None]:
    return lambda what: say(f"{heading}: {what}")


def data_config(run: RunDirectory, image_shape: Sequence[int], data: str | None) -> DataConfig:
    """Another data set with images as the run has them; the run's own for None.

    Raises:
        ConfigError: the run has images that are not square.
    """
    own = run.config.data
    if data is None:
        return own
    height, width, channels = image_shape
    if height != width:
        raise ConfigError(f"the run was trained on {height}×{width} images; other data can only be made square.")
    return dataclasses.replace(config_for(data).data, image_size=height, channels=channels, resize=own.resize)


def _part(dataset: Dataset, name: str) -> Part:
    return {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}[name]


def _features(
    folder: Path, checkpoint: Path, dataset: Dataset, say: Callable[[str], None]
) -> dict[str, dict[str, NDArray[np.float32]]]:
    """(n, f) by name in `FEATURES` and by part; those of the encoders are kept in `features.npz`."""
    made_from = f"{dataset.fingerprint} {(checkpoint / 'meta' / 'metadata').stat().st_mtime_ns}"
    arrays = _read_features(folder / "features.npz", made_from)
    if arrays is None:
        arrays = {}
        for prefix, load in (("", load_encoder), ("random_", untrained_encoder)):
            encoder = load(checkpoint)
            for name in _PARTS:
                part = _part(dataset, name)
                say(f"embedding {len(part):,} {name} images{' with untrained weights' if prefix else ''}")
                representation, projection = encoder.part(part)
                arrays[f"{prefix}representation/{name}"] = representation
                arrays[f"{prefix}projection/{name}"] = projection
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, made_from=np.array(made_from), **arrays)
        _write(folder / "features.npz", buffer.getvalue())
    features = {kind: {name: arrays[f"{kind}/{name}"] for name in _PARTS} for kind in FEATURES if kind != "raw_pixels"}
    features["raw_pixels"] = {name: flatten_pixels(_part(dataset, name)) for name in _PARTS}
    return features


def _read_features(path: Path, made_from: str) -> dict[str, NDArray[np.float32]] | None:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            if str(file["made_from"]) != made_from:
                return None
            return {name: file[name] for name in file.files if name != "made_from"}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
