"""What is doubtful in a data set, by the embedding of an encoder: labels, near-duplicates, outliers.

Labels are told by an image's neighbours in the representation and a linear probe, outliers by the neighbours,
near-duplicates by the pixels. All parts are searched as one: neighbours of a test image may be training images, and a
pair may lie across parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.duplicates import Pair, contrasts, near_duplicates
from simo2_core.analysis.label_errors import LabelDoubts, doubt_labels
from simo2_core.analysis.nearest import nearest_others, unit_float32
from simo2_core.analysis.outliers import find_outliers
from simo2_core.checkpoints.checkpoint import read_meta
from simo2_core.data.dataset import UNSEEN, DataPart, Dataset
from simo2_core.data.ids import image_files, image_ids
from simo2_core.data.progress import Report, silent
from simo2_core.errors import DataError
from simo2_core.evaluation.features import data_config, dataset_for, features_of, folder_of
from simo2_core.evaluation.thumbnails import shrink
from simo2_core.run.directory import RunDirectory

NEIGHBOURS = 20
"""Images that speak for a label, as in the kNN of `simo2 eval`."""
MOST_IMAGES = 200_000
"""Every image is compared with every other: these take a quarter of an hour of two cores."""
_SIDE = 16
"""Pixels of a thumbnail that is compared."""
_CHUNK = 256


@dataclass(frozen=True, eq=False)
class Findings:
    """What there is to doubt among n images, part after part, in the order of their rows."""

    data: str
    run: str
    step: int
    class_names: tuple[str, ...]
    """Also of classes that were kept from training."""
    parts: tuple[str, ...]
    part: NDArray[np.int64]
    """(n,) places in `parts`."""
    labels: NDArray[np.int64]
    """(n,) as they are given."""
    names: list[str]
    """Of each image, unique: its path in the data set, or its place."""
    files: list[str] | None
    """The absolute path of each; None where images are no files of their own."""
    doubts: LabelDoubts | None
    """None of a heap without classes."""
    pairs: list[Pair]
    """Near-duplicates, those across parts first, then those across classes."""
    outlying: NDArray[np.float64]
    """(n,) how far each lies from its neighbours, in multiples of what is usual; above 1 it is an outlier."""
    taught: bool
    """Whether the encoder was trained on these labels, so that it may have learnt wrong ones."""
    pictures: tuple[DataPart, ...]
    """Of each of `parts`."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def mislabelled(self) -> NDArray[np.int64]:
        """The rows whose label is doubted, the worst first."""
        if self.doubts is None:
            return np.zeros(0, np.int64)
        rows = np.flatnonzero(self.doubts.doubted)
        return rows[np.argsort(-self.doubts.doubt[rows], kind="stable")]

    @property
    def outliers(self) -> NDArray[np.int64]:
        """The rows that lie far from all others, the farthest first."""
        rows = np.flatnonzero(self.outlying > 1)
        return rows[np.argsort(-self.outlying[rows], kind="stable")]

    def is_leak(self, pair: Pair) -> bool:
        """Whether the two are in different parts."""
        return bool(self.part[pair.first] != self.part[pair.second])

    def is_conflict(self, pair: Pair) -> bool:
        """Whether the two have different labels."""
        return bool(self.labels[pair.first] != self.labels[pair.second])

    @property
    def agreed(self) -> int:
        """The images whose label is what the encoder takes them for; all of a heap without classes."""
        return len(self) if self.doubts is None else int(self.doubts.agreed.sum())

    def confused(self) -> list[tuple[str, str, int]]:
        """(label, suggested label, images) of the doubted, the most first."""
        rows, doubts = self.mislabelled, self.doubts
        if doubts is None:
            return []
        pairs = zip(self.labels[rows].tolist(), doubts.suggested[rows].tolist(), strict=True)
        counts = sorted(Counter(pairs).items(), key=lambda item: (-item[1], item[0]))
        return [(self.class_names[own], self.class_names[other], count) for (own, other), count in counts]

    def image(self, row: int) -> NDArray[np.uint8]:
        """(h, w, ch) of a row."""
        part = int(self.part[row])
        inside = row - int(np.searchsorted(self.part, part))
        found = self.pictures[part]
        return np.asarray(found.images[found.rows[inside]])

    def to_json(self) -> dict[str, Any]:
        """The counts, for people and programs."""
        return {
            "data": self.data,
            "step": self.step,
            "images": len(self),
            "labels_agreed": self.agreed,
            "labels_doubted": len(self.mislabelled),
            "confused": [{"label": own, "suggested": other, "images": n} for own, other, n in self.confused()],
            "classes_too_small": [self.class_names[c] for c in self.doubts.unjudged] if self.doubts else [],
            "duplicate_pairs": len(self.pairs),
            "across_classes": sum(map(self.is_conflict, self.pairs)),
            "across_parts": sum(map(self.is_leak, self.pairs)),
            "outliers": len(self.outliers),
        }


def find_doubts(
    run: RunDirectory,
    checkpoint: Path,
    *,
    data: str | None = None,
    report: Report = silent,
    say: Callable[[str], None] = lambda _: None,
) -> Findings:
    """Looks through a data set with the encoder of a checkpoint.

    Args:
        checkpoint: in `run`.
        data: a data set as for `simo2 train --dataset`; None for the run's own.
        report: told how far preparing and decoding are.
        say: told what is being done.

    Raises:
        DataError: the data is missing, has changed since training, does not fit the encoder, or is too large.
        RunError: the checkpoint is damaged.
    """
    dataset = dataset_for(run, checkpoint, data, report=report)
    count = sum(map(len, dataset.parts.values()))
    if not 2 <= count <= MOST_IMAGES:
        raise DataError(
            f"{dataset.name} has {count:,} images; each is compared with all others, so there must be from 2 to "
            f"{MOST_IMAGES:,}. Give a smaller folder or table of them: --data OTHER."
        )
    features = features_of(folder_of(run, checkpoint, data), checkpoint, dataset, say=say)
    config = data_config(run, read_meta(checkpoint)["image_shape"], data)
    ids, files = image_ids(config, dataset), image_files(config, dataset)
    names, part, labels = _labels(dataset)
    say("searching neighbours")
    representation = np.concatenate([features[name].representation for name in dataset.parts])
    near, cosines = nearest_others(unit_float32(representation), min(NEIGHBOURS, count - 1))
    say("judging labels")
    doubts = doubt_labels(representation, near, cosines, labels, len(names)) if len(names) > 1 else None
    say("comparing pixels")
    thumbnails = np.concatenate([_thumbnails(found) for found in dataset.parts.values()])
    found = Findings(
        data=dataset.name,
        run=run.name,
        step=int(checkpoint.name),
        class_names=names,
        parts=tuple(dataset.parts),
        part=part,
        labels=labels,
        names=[name for some in ids.values() for name in some],
        files=None if files is None else [path for some in files.values() for path in some],
        doubts=doubts,
        pairs=near_duplicates(contrasts(thumbnails)),
        outlying=find_outliers(cosines),
        taught=_is_taught(run, checkpoint, dataset),
        pictures=tuple(dataset.parts.values()),
    )
    found.pairs.sort(key=lambda pair: (not found.is_leak(pair), not found.is_conflict(pair)))
    return found


def _is_taught(run: RunDirectory, checkpoint: Path, dataset: Dataset) -> bool:
    same = dataset.is_that_of(str(read_meta(checkpoint)["fingerprint"]))
    return same and int(checkpoint.name) > 0 and run.config.data.labels == "classes"


def _labels(dataset: Dataset) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]:
    """The names of all classes, and of each image its part and its class."""
    part, labels = [], []
    for place, (name, found) in enumerate(dataset.parts.items()):
        part.append(np.full(len(found), place, np.int64))
        labels.append(found.labels.astype(np.int64) + (len(dataset.class_names) if name == UNSEEN else 0))
    return (*dataset.class_names, *dataset.unseen_classes), np.concatenate(part), np.concatenate(labels)


def _thumbnails(part: DataPart) -> NDArray[np.uint8]:
    """(n, h, w, ch) the images of a part, small."""
    rows = part.rows
    some: Sequence[NDArray[np.uint8]] = [
        shrink(np.asarray(part.images[rows[start : start + _CHUNK]]), _SIDE) for start in range(0, len(rows), _CHUNK)
    ]
    return np.concatenate(some) if some else shrink(np.asarray(part.images[:1]), _SIDE)[:0]
