"""What every source of images becomes: uint8 images sorted by class, cut into train, validation and test.

The images of a split lie in one array, sorted by class, in memory or mapped from disk. A part is then a run of
rows in each class block, so holding out validation copies nothing, and drawing a sample of class c is
`offsets[c] + floor(u * counts[c])`, on the host and on the device alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.fingerprint import same_images


def are_decoded(images: Any) -> bool:
    """Whether images lie in memory or on a disk, and are not decoded when they are asked for."""
    return isinstance(images, np.ndarray)


@dataclass(frozen=True, eq=False)
class DataPart:
    """A part of a data set: for each of C classes, the rows [offsets[c], offsets[c] + counts[c]) of `images`."""

    images: NDArray[np.uint8]
    """(N, H, W, ch), sorted by class; may be a memory map, or an `OnDemandImages`, and may hold rows of other parts."""
    offsets: NDArray[np.int64]
    """(C,) first row of each class."""
    counts: NDArray[np.int64]
    """(C,) rows of each class."""

    def __len__(self) -> int:
        return int(self.counts.sum())

    @property
    def rows(self) -> NDArray[np.int64]:
        """(len(self),) rows of `images` that belong to this part, in class order."""
        blocks = [np.arange(o, o + n) for o, n in zip(self.offsets, self.counts, strict=True)]
        return np.concatenate(blocks) if blocks else np.zeros(0, np.int64)

    @property
    def labels(self) -> NDArray[np.int32]:
        """(len(self),) class of each of `rows`."""
        return np.repeat(np.arange(len(self.counts), dtype=np.int32), self.counts)

    def singletons(self) -> DataPart:
        """The same images, each a class of its own: what there is to draw from where labels do not count."""
        return DataPart(self.images, self.rows, np.ones(len(self), np.int64))

    def thin(self, at_most: int) -> DataPart:
        """A part of at most about `at_most` rows, each class with its share and at least one of those it has.

        The rows of a class lie in an order that chance decided, so its first ones are a fair sample.
        """
        if len(self) <= at_most:
            return self
        return DataPart(
            self.images, self.offsets, np.minimum(self.counts, np.maximum(1, self.counts * at_most // len(self)))
        )

    def of_classes(self, chosen: NDArray[np.bool_]) -> DataPart:
        """The rows of those classes that the (C,) mask names, which are numbered anew in their order."""
        return DataPart(self.images, self.offsets[chosen], self.counts[chosen])

    def gather(self) -> NDArray[np.uint8]:
        """(len(self), H, W, ch) the images of `rows`: a copy."""
        return self.images[self.rows]


@dataclass(frozen=True)
class Skipped:
    """A file that was left out because it cannot be read, and why."""

    name: str
    reason: str


UNSEEN = "unseen"
"""The part with test images of classes that training never saw; its labels count these classes alone."""

FEW_CLASSES = "few-classes"
"""The code of a note on why a source has fewer than two classes: an error where labels make the pairs."""


SIZE_CHOSEN = "image-size-chosen"
"""The code of a note on the size that images of several sizes were given."""


@dataclass(frozen=True)
class Note:
    """One thing to know of the data before a run: what is not used, what was chosen, what looks wrong."""

    code: str
    """A stable word to match on."""
    message: str
    cure: str = ""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set ready to train on."""

    name: str
    class_names: tuple[str, ...]
    train: DataPart
    validation: DataPart
    test: DataPart
    mean: NDArray[np.float32]
    """(ch,) mean of the training part in [0, 1], computed in float64."""
    std: NDArray[np.float32]
    """(ch,) standard deviation of the training part in [0, 1], never 0."""
    fingerprint: str
    """Changes whenever an image, a label or the cut into parts does: see `fingerprint.py`."""
    former: str = ""
    """The fingerprint as simo2 made it before 2026-11-28, for runs of that time."""
    unseen: DataPart | None = None
    """Test images of classes that are kept for test alone, (U,) of `unseen_classes`; None where there are none."""
    unseen_classes: tuple[str, ...] = ()
    views: DataPart | None = None
    """Images to train on without labels, none of which is evaluated; None where `train` serves for that too."""
    skipped: tuple[Skipped, ...] = ()
    """Files that could not be read, of all parts."""
    empty_classes: tuple[str, ...] = ()
    """Folders that would be classes but hold no image."""
    notes: tuple[Note, ...] = ()
    """What to know of it before a run."""

    @property
    def parts(self) -> dict[str, DataPart]:
        """`train`, `validation` and `test` by name, and `unseen` where there is one."""
        seen = {"train": self.train, "validation": self.validation, "test": self.test}
        return seen if self.unseen is None else {**seen, UNSEEN: self.unseen}

    def is_that_of(self, fingerprint: str) -> bool:
        """Whether a run with this `fingerprint` was trained on these images: see `fingerprint.same_images`."""
        return fingerprint == self.former or same_images(fingerprint, self.fingerprint)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        _, height, width, channels = self.train.images.shape
        return height, width, channels
