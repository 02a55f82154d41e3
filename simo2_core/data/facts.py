"""What is known of a data set before and after it is loaded, without its images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.dataset import Dataset, Note, Skipped, are_decoded


@dataclass(frozen=True, kw_only=True, eq=False)
class DatasetFacts:
    """What must be known of a data set to judge a run; of a preset that is not on disk yet, what is expected."""

    classes: int
    image_shape: tuple[int, int, int]
    images: int
    """Of all parts together."""
    splits: tuple[str, ...] = ()
    """What the source offers; empty when unknown."""
    train_counts: NDArray[np.int64] | None = None
    """(C,) training images of each class, or None while unknown."""
    unlabelled: int = 0
    """Images of the named splits whose label is negative."""
    to_write: int = 0
    """Bytes that the cache on disk does not hold yet."""
    skipped: tuple[Skipped, ...] = ()
    """Files that cannot be read."""
    empty_classes: tuple[str, ...] = ()
    """Folders that would be classes but hold no image."""
    notes: tuple[Note, ...] = ()
    """What else to know of the images."""

    @property
    def size(self) -> int:
        """Bytes of all decoded images."""
        return self.images * math.prod(self.image_shape)

    @classmethod
    def of(cls, dataset: Dataset) -> DatasetFacts:
        """The facts of a data set that is loaded: what is not in the cache by now did not fit."""
        parts = (*dataset.parts.values(), dataset.views)
        images = sum(len(part) for part in parts if part is not None)
        cached = are_decoded(dataset.train.images)
        return cls(
            classes=len(dataset.class_names),
            image_shape=dataset.image_shape,
            images=images,
            to_write=0 if cached else images * math.prod(dataset.image_shape),
            train_counts=dataset.train.counts,
            skipped=dataset.skipped,
            empty_classes=dataset.empty_classes,
            notes=dataset.notes,
        )
