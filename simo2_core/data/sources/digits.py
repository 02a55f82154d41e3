"""The 1,797 handwritten digits that ship inside scikit-learn: the data set that is always there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.progress import Report
from simo2_core.data.sources.source import OF_RECORDS, Source, SourcePart, Split, split_of_pixels
from simo2_core.data_config import DataConfig
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
        return split_of_pixels(split, *load_digits(), CLASS_NAMES)


@dataclass(frozen=True, kw_only=True)
class Digits(SourcePart):
    """The built-in digits."""

    name: ClassVar[str] = "digits"
    summary: ClassVar[str] = "the handwritten digits of scikit-learn, in memory"
    unused: ClassVar[tuple[str, ...]] = OF_RECORDS

    @classmethod
    def claims(cls, dataset: str) -> bool:
        """The word alone."""
        return dataset == "digits"

    def open(self, config: DataConfig, report: Report) -> Source:
        """Loads nothing yet."""
        return DigitsSource()
