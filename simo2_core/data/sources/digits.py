"""The 1,797 handwritten digits that ship inside scikit-learn: the data set that is always there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from simo2_core.config import DataConfig
from simo2_core.data.progress import Report
from simo2_core.data.sources.source import Source, SourcePart, Split
from simo2_core.errors import DataError

CLASS_NAMES = tuple("0123456789")


def load_digits() -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """All images and their classes.

    Returns:
        (1797, 8, 8, 1) uint8, the stored 0 to 16 scaled to 0 to 255; and (1797,) int32.
    """
    from sklearn.datasets import load_digits as bundled  # half a second of imports

    data = bundled()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    return images[..., None], data.target.astype(np.int32)


@dataclass(frozen=True, eq=False)
class Places:
    """Images that are known by their place alone, and never encoded."""

    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    def take(self, rows: NDArray[np.int64]) -> Places:
        """Those of `rows`, in that order."""
        return Places(self.places[rows])

    def images(self) -> Iterator[bytes | OSError]:
        """None: they are pixels already."""
        return iter(())

    heads = images

    def names(self) -> Sequence[str]:
        """The place of each."""
        return [str(place) for place in self.places.tolist()]


class DigitsSource(Source):
    """scikit-learn's digits: one split, in memory."""

    @property
    def name(self) -> str:
        """`digits`."""
        return "digits"

    @property
    def in_memory(self) -> bool:
        """They are pixels."""
        return True

    @property
    def splits(self) -> tuple[str, ...]:
        """`train` alone: a test part is held out of it."""
        return ("train",)

    def identity(self, split: str) -> str:
        """Always the same."""
        return "digits"

    def split(self, split: str) -> Split:
        """All of them."""
        if split != "train":
            raise DataError(
                f"digits has no split {split!r}, only train. Leave out --train-split, --test-split and --views-split: "
                "a stratified part is held out for the test."
            )
        images, labels = load_digits()
        height, width, channels = images.shape[1:]
        places = Places(np.arange(len(images)))
        return Split(split, places, labels, CLASS_NAMES, own_shape=(height, width, channels), pixels=images)


@dataclass(frozen=True, kw_only=True)
class Digits(SourcePart):
    """The built-in digits."""

    name: ClassVar[str] = "digits"
    summary: ClassVar[str] = "the handwritten digits of scikit-learn, in memory"

    @classmethod
    def claims(cls, dataset: str) -> bool:
        """The word alone."""
        return dataset == "digits"

    def open(self, config: DataConfig, report: Report) -> Source:
        """Loads nothing yet."""
        return DigitsSource()
