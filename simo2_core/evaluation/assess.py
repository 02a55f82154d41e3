"""What a trained encoder is worth, beside the same network untrained and beside raw pixels.

RUN/eval/STEP/              of the run's own data; eval/STEP-NAME/ of another data set
  eval.json                 every number, with how it was measured and on which part
  eval.png  confusion.png
  features.npz untrained.npz   what the encoders made of every image: see `simo2_core.evaluation.features`
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.classification import Classification, classification
from simo2_core.analysis.few_shot import Estimate
from simo2_core.analysis.geometry import class_gram
from simo2_core.data.dataset import UNSEEN, Dataset
from simo2_core.data.fingerprint import same_images
from simo2_core.data.labels import with_labels
from simo2_core.data.progress import Report, silent
from simo2_core.errors import ConfigError, DataError
from simo2_core.evaluation.augmented_probe import AugmentedProbe, augmented_probe
from simo2_core.evaluation.evaluate import flatten_pixels
from simo2_core.evaluation.features import Features, dataset_for, features_of, folder_of
from simo2_core.evaluation.measures import Worth, measure, own_metrics, rows_of, with_augmented_probe
from simo2_core.metrics.metric import Metric, Row
from simo2_core.run.directory import RunDirectory
from simo2_core.run.files import write_into

FORMAT = 1
"""Version of `eval.json`."""

FEATURES = ("representation", "projection", "raw_pixels", "random_representation", "random_projection")
"""What is measured: the two outputs of the encoder, the pixels, and the same two outputs before the first step."""


class Labels(NamedTuple):
    """Training images whose labels count: as neighbours, in means, in probes."""

    used: int
    seen: int
    """By the run in training, which may have been given few; of another data set, all of them."""
    all: int


@dataclass(frozen=True, eq=False)
class Assessment:
    """A checkpoint measured on a data set."""

    checkpoint: Path
    step: int
    data: str
    fingerprint: str
    class_names: tuple[str, ...]
    images: dict[str, int]
    """By part; of train, those whose labels are used."""
    labels: Labels
    metrics: tuple[Metric, ...]
    """What was asked."""
    worth: dict[str, Worth]
    """By name in `FEATURES`."""
    classes: Classification
    """Of test, by kNN with k = 20 on the representation."""
    class_grams: dict[str, NDArray[np.float64]]
    """(C, C) signed cosines of the class means of test, by name of the features."""
    augmented_probes: dict[str, AugmentedProbe]
    """By name of the features; empty unless it was asked for."""

    @property
    def untested(self) -> list[str]:
        """The classes of which test has no image: nothing can be said of them."""
        return [name for name, images in zip(self.class_names, self.classes.images, strict=True) if not images]

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict; a number that could not be measured is not in it, or null where it has a fixed place."""
        return {
            "format": FORMAT,
            "checkpoint": str(self.checkpoint),
            "step": self.step,
            "data": self.data,
            "fingerprint": self.fingerprint,
            "images": self.images,
            "labels": self.labels._asdict(),
            "metrics": describe_rows(self.rows),
            "scores": {name: scores_to_json(worth.scores) for name, worth in self.worth.items()},
            "linear_probe": self._details("probe"),
            "augmented_probe": {name: probe._asdict() for name, probe in self.augmented_probes.items()},
            "classes": [self._class_to_json(c) for c in range(len(self.class_names))],
            "confusion": self.classes.confusion.tolist(),
            **self._of_others(),
        }

    @property
    def problems(self) -> dict[str, str]:
        """By metric: why a stranger's could not measure."""
        return {name: why for worth in self.worth.values() for name, why in worth.problems.items()}

    @property
    def rows(self) -> tuple[Row, ...]:
        """What was measured, in the order of the table."""
        rows = rows_of(self.metrics, augmented=bool(self.augmented_probes))
        return tuple(row for row in rows if row.split != UNSEEN or UNSEEN in self.images)

    def _of_others(self) -> dict[str, Any]:
        """What metrics beside simo2's own have to tell beyond their scores."""
        others = sorted({metric for worth in self.worth.values() for metric in worth.details} - {"probe"})
        told = {"details": {metric: self._details(metric) for metric in others}, "problems": self.problems}
        return {name: what for name, what in told.items() if what}

    def _details(self, metric: str) -> dict[str, Any]:
        return {name: worth.details[metric] for name, worth in self.worth.items() if metric in worth.details}

    def _class_to_json(self, c: int) -> dict[str, Any]:
        shares = {name: getattr(self.classes, name)[c] for name in ("precision", "recall", "f1")}
        known = {name: None if np.isnan(share) else float(share) for name, share in shares.items()}
        return {"name": self.class_names[c], "images": int(self.classes.images[c]), **known}


def describe_rows(rows: Sequence[Row]) -> dict[str, dict[str, str | bool]]:
    """What each row is, whether it is a share, which part it is measured on and which part it was fitted on."""
    return {
        row.key: {"label": row.label.strip(), "share": row.share, "split": row.split, "fit": row.fit, "how": row.how}
        for row in rows
    }


def scores_to_json(scores: dict[str, Estimate]) -> dict[str, dict[str, float]]:
    """`{"knn_20": {"value": 0.99}, "shot_1": {"value": 0.9, "interval": 0.01}}`."""
    return {
        key: {"value": mean} if np.isnan(interval) else {"value": mean, "interval": interval}
        for key, (mean, interval) in scores.items()
    }


def _require_classes(dataset: Dataset) -> None:
    if len(dataset.class_names) < 2:
        raise DataError(
            f"the images of {dataset.name} are of one class, so nothing can be measured by classes. "
            "Name others, with labels: --data OTHER."
        )


def assess(
    run: RunDirectory, checkpoint: Path, *, data: str | None = None, features: Sequence[str] = FEATURES,
    metrics: Sequence[Metric] | None = None, augmented: bool = False, all_labels: bool = False, report: Report = silent,
    say: Callable[[str], None] = lambda _: None,
) -> Assessment:  # fmt: skip
    """Measures a checkpoint of a run on the test part of its own data set, or of another.

    Everything is fitted on train and chosen on validation; test is only read.

    Args:
        checkpoint: in `run`.
        data: a data set as for `simo2 train --dataset`; its images are made as large as those of the run and
            normalised by the statistics of the run.
        features: which of `FEATURES` to measure, `representation` among them.
        metrics: by default simo2's own.
        all_labels: whether the labels count that the run was not given in training, by `--label-fraction` or
            `--labels-per-class`. Without it they are the same as in training, so that the numbers are.
        augmented: whether to fit a linear probe by SGD on augmented images too; it takes 30 epochs of embedding.
        report: told how far preparing and decoding are.
        say: told what is being done.

    Raises:
        DataError: the data is missing, has changed since training, or does not fit the encoder.
        RunError: the checkpoint is damaged, or the disk refuses.
    """
    whole = dataset_for(run, checkpoint, data, report=report)
    _require_classes(whole)
    seen = whole if data is not None else with_labels(whole, run.config.tune, run.config.seed)
    dataset = whole if all_labels else seen
    metrics = own_metrics() if metrics is None else tuple(metrics)
    made = _features(folder_of(run, checkpoint, data), checkpoint, whole, dataset, say)
    labels = {name: part.labels for name, part in dataset.parts.items()}
    classes = len(dataset.class_names)
    rows = rows_of(metrics, augmented=augmented)
    worth = {}
    for name in features:
        heading = name.replace("_", " ")
        worth[name] = measure(made[name], labels, classes=classes, say=_prefixed(say, heading), metrics=metrics)
    probes = {}
    if augmented:
        known = {part: Features(made["representation"][part], made["projection"][part]) for part in dataset.parts}
        probes = augmented_probe(checkpoint, dataset, known, say=say)
        for name in worth.keys() & probes.keys():
            worth[name] = with_augmented_probe(worth[name], probes[name].accuracy, rows)
    return Assessment(
        checkpoint=checkpoint,
        step=int(checkpoint.name),
        data=dataset.name,
        fingerprint=dataset.fingerprint,
        class_names=dataset.class_names,
        images={name: len(part) for name, part in dataset.parts.items()},
        labels=Labels(used=len(dataset.train), seen=len(seen.train), all=len(whole.train)),
        metrics=metrics,
        worth=worth,
        classes=classification(labels["test"], worth["representation"].predicted, classes=classes),
        class_grams={name: class_gram(made[name]["test"], labels["test"], classes) for name in features},
        augmented_probes=probes,
    )


def summarise(assessments: Sequence[Assessment]) -> dict[str, dict[str, Estimate]]:
    """The mean over runs of every score, by features and metric, with the standard deviation (n - 1) beside it.

    Raises:
        ConfigError: fewer than two runs, or runs of different data.
    """
    if len(assessments) < 2:
        raise ConfigError("one run has no mean and deviation; name two or more.")
    for other in assessments[1:]:
        if not same_images(other.fingerprint, assessments[0].fingerprint):
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
    write_into(path, json.dumps(data, indent=1, allow_nan=False).encode())


def _prefixed(say: Callable[[str], None], heading: str) -> Callable[[str], None]:
    return lambda what: say(f"{heading}: {what}")


def _features(
    folder: Path, checkpoint: Path, whole: Dataset, dataset: Dataset, say: Callable[[str], None]
) -> dict[str, dict[str, NDArray[np.float32]]]:
    """(n, f) of `dataset` by name in `FEATURES` and by part; the files are of the `whole`, for any choice of labels."""
    made = {"raw_pixels": {name: flatten_pixels(part) for name, part in dataset.parts.items()}}
    used = np.isin(whole.train.rows, dataset.train.rows)
    for prefix, trained in (("", True), ("random_", False)):
        found = features_of(folder, checkpoint, whole, trained=trained, say=say)
        for kind in Features._fields:
            made[prefix + kind] = {name: getattr(features, kind) for name, features in found.items()}
            made[prefix + kind]["train"] = made[prefix + kind]["train"][used]
    return made
