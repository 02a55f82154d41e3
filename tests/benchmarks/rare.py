"""Data sets half of whose classes are rare, and what runs on them come to on the common and on the rare ones.

`python -m tests.benchmarks.rare FOLDER STUDY ...` prints that of what `tests.benchmarks.studies` left in FOLDER.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from simo2_core.analysis.metrics import knn_predict
from simo2_core.analysis.probe import nearest_class_mean
from simo2_core.checkpoints.checkpoint import find_checkpoint
from simo2_core.compare.outcome import Outcome
from simo2_core.data.sources.digits import load_digits
from simo2_core.evaluation.features import dataset_for, features_of, folder_of
from simo2_core.run.directory import RunDirectory

READERS = ("kNN@20", "class means")


def write_digits(folder: Path) -> None:
    """scikit-learn's digits as FOLDER/train/0 ... 9 and FOLDER/test/0 ... 9, every fifth image of a class in test."""
    seen = [0] * 10
    for image, label in zip(*load_digits(), strict=True):
        place = folder / ("test" if seen[label] % 5 == 4 else "train") / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(place / f"{seen[label]:03d}.png")
        seen[label] += 1


def thin(source: Path, folder: Path, every: int) -> None:
    """Copies `source`, but of every second class only every so many-th training image, and two at least."""
    for part in ("train", "test"):
        for number, place in enumerate(sorted((source / part).iterdir())):
            images = sorted(place.iterdir())
            kept = images[:: min(every, len(images) // 2)] if part == "train" and is_rare(number) else images
            (folder / part / place.name).mkdir(parents=True)
            for image in kept:
                shutil.copy(image, folder / part / place.name)


def is_rare(number: int) -> bool:
    """Whether the class of this number, in the order of their names, has few images."""
    return number % 2 == 1


def accuracies(run: RunDirectory) -> NDArray[np.float64]:
    """(readers, 2): by `READERS`, the share of test images of common and of rare classes that are found."""
    checkpoint = find_checkpoint(run.checkpoints, "latest")
    data = dataset_for(run, checkpoint, None)
    made = features_of(folder_of(run, checkpoint, None), checkpoint, data)
    bank, queries, classes = made["train"].representation, made["test"].representation, len(data.class_names)
    predicted = (
        knn_predict(queries, bank, data.train.labels, classes=classes),
        nearest_class_mean(bank, data.train.labels, queries, classes=classes),
    )
    rare = np.array([is_rare(label) for label in data.test.labels])
    right = [found == data.test.labels for found in predicted]
    return np.array([[each[~rare].mean(), each[rare].mean()] for each in right])


def found(folder: Path) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """By arm of a study, (seeds, readers, 2) accuracies."""
    by_arm: dict[str, list[NDArray[np.float64]]] = {}
    for place in sorted((folder / "runs").iterdir()):
        outcome = Outcome.read(place)
        if outcome is not None and outcome.scores:
            by_arm.setdefault(outcome.arm, []).append(accuracies(RunDirectory.open(place)))
    yield from ((arm, np.array(seeds)) for arm, seeds in by_arm.items())


def main(folder: Path, names: list[str]) -> None:
    heads = [f"{reader}, {group}" for reader in READERS for group in ("common", "rare")]
    for name in names:
        print(f"{name}: test, mean (range) over seeds\n{'':44}" + "".join(f"{head:>22}" for head in heads))
        for arm, seeds in found(folder / name):
            flat = 100 * seeds.reshape(len(seeds), -1)
            shown = (f"{column.mean():.1f} ({column.min():.0f}-{column.max():.0f})" for column in flat.T)
            print(f"{f'{arm} x{len(seeds)}':44}" + "".join(f"{text:>22}" for text in shown))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
