"""What every source of images offers: named splits, a label for each image, and its encoded bytes in any order.

A source knows nothing of pixels, the decoder nothing of files, the cache nothing of formats. `Records` travels to
worker processes by pickle, so it holds paths and positions, never an open file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Records(Protocol):
    """Encoded images in the order of their source."""

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[np.int64]) -> Records:
        """Those of `rows`, in that order: small enough to send to a worker."""
        ...

    def images(self) -> Iterator[bytes | OSError]:
        """The encoded bytes of each, or why they cannot be read."""
        ...

    def names(self) -> Sequence[str]:
        """What to call each in a message to the user."""
        ...


@dataclass(frozen=True, eq=False)
class Split:
    """One split of a source."""

    name: str
    records: Records
    labels: NDArray[np.int32]
    """(N,) class of each record; negative where there is none."""
    class_names: tuple[str, ...]
    own_shape: tuple[int | None, int | None, int | None] = (None, None, None)
    """Height, width and channels as the source declares them; None where it does not."""
    transposed: bool = False
    """Whether rows and columns of the stored pixels are swapped."""


class Source(Protocol):
    """A data set on disk."""

    @property
    def name(self) -> str:
        """For people: `cifar10`, or the name of the image folder."""
        ...

    @property
    def origin(self) -> str:
        """What tells it from every other: the name of a TFDS data set, or the whole path of a folder."""
        ...

    @property
    def splits(self) -> tuple[str, ...]:
        """What `split` accepts."""
        ...

    def identity(self, split: str) -> str:
        """Changes whenever the files behind `split` do; found without reading them (names, sizes, times)."""
        ...

    def stamp(self, split: str) -> str:
        """Changes whenever the files behind `split` are touched at all, as the system notes it: nobody can set that.

        Another copy of the same files has another stamp.
        """
        ...

    def split(self, split: str) -> Split:
        """Opens a split; raises DataError when it is missing or unfit."""
        ...


@dataclass(frozen=True)
class WithoutLabels:
    """A source whose images all count as one class: what there is to draw views from, labelled or not."""

    source: Source

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def origin(self) -> str:
        """Another than with labels: its cache is sorted otherwise."""
        return f"{self.source.origin} without labels"

    @property
    def splits(self) -> tuple[str, ...]:
        return self.source.splits

    def identity(self, split: str) -> str:
        return self.source.identity(split)

    def stamp(self, split: str) -> str:
        return self.source.stamp(split)

    def split(self, split: str) -> Split:
        found = self.source.split(split)
        return replace(found, labels=np.zeros(len(found.labels), np.int32), class_names=("image",))
