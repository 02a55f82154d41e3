"""What every source of images offers: named splits, a label for each image, and its encoded bytes in any order.

A source knows nothing of pixels, the decoder nothing of files, the cache nothing of formats. `Records` travels to
worker processes by pickle, so it holds paths and positions, never an open file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.dataset import Note
from simo2_core.data.progress import Report
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError
from simo2_core.parts import Part


class Records(Protocol):
    """Encoded images in the order of their source."""

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[np.int64]) -> Records:
        """Those of `rows`, in that order: small enough to send to a worker."""
        ...

    def images(self) -> Iterator[bytes | OSError]:
        """The encoded bytes of each, or why they cannot be read."""
        ...

    def heads(self) -> Iterator[bytes | OSError]:
        """At least the first kilobytes of each, for its header; the whole where that is as cheap."""
        ...

    def names(self) -> Sequence[str]:
        """What to call each in a message to the user, unique in the split."""
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
    prefix: str = ""
    """What makes the names of its records unique in the source."""
    pixels: NDArray[np.uint8] | None = None
    """(N, H, W, ch) where the source has them decoded already: nothing is read or cached."""


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


def split_of_pixels(
    name: str, images: NDArray[np.uint8], labels: NDArray[np.integer], class_names: tuple[str, ...]
) -> Split:
    """A split of images that are in memory: for a source whose `in_memory` is true.

    Args:
        images: (N, H, W, ch) uint8, ch 1 or 3.
        labels: (N,) class of each, negative where there is none.
    """
    height, width, channels = images.shape[1:]
    return Split(
        name,
        Places(np.arange(len(images))),
        labels.astype(np.int32),
        class_names,
        own_shape=(height, width, channels),
        pixels=images,
    )


class Source(ABC):
    """A data set on disk. A source of one's own overrides what is abstract, and what it knows better."""

    _taken: str = ""

    @property
    def in_memory(self) -> bool:
        """Whether every split has `pixels`: nothing is then read, decoded or cached."""
        return False

    @property
    @abstractmethod
    def name(self) -> str:
        """For people: `cifar10`, or the name of the image folder."""

    @property
    def origin(self) -> str:
        """What tells it from every other: the name of a TFDS data set, or the whole path of a folder."""
        return self.name

    @property
    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """What `split` accepts."""

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        """By part (`validation`, `test`), the splits that serve as it where none is asked for, the best first."""
        return MappingProxyType({})

    @property
    def empty_classes(self) -> tuple[str, ...]:
        """What would be classes of the training split but holds no image: they are left out."""
        return ()

    @property
    def notes(self) -> tuple[Note, ...]:
        """What to know before a run: what of it is not used, and the like."""
        return ()

    @property
    def taken(self) -> str:
        """What of its files was taken as image and as label, for people; empty where that goes without saying."""
        return self._taken

    @abstractmethod
    def identity(self, split: str) -> str:
        """Changes whenever the files behind `split` do; found without reading them (names, sizes, times)."""

    def stamp(self, split: str) -> str:
        """Changes whenever the files behind `split` are touched at all, as the system notes it: nobody can set that.

        Another copy of the same files has another stamp.
        """
        return self.identity(split)

    def files(self, split: str) -> str:
        """As `identity`, but a copy of the same files elsewhere has the same: names and sizes, no times."""
        return self.identity(split)

    @abstractmethod
    def split(self, split: str) -> Split:
        """Opens a split; raises DataError when it is missing or unfit."""

    def unlabelled(self, split: str) -> Split:
        """Opens a split whose labels do not count: all of one class. Raises DataError when it is missing."""
        return without_labels(self.split(split))

    def shared(self, first: str, second: str) -> int:
        """How many records are in both of two splits."""
        return len(self.split(first).records) if first == second else 0


def without_labels(split: Split) -> Split:
    """The same images, all of one class."""
    return replace(split, labels=np.zeros(len(split.records), np.int32), class_names=("image",))


class _Wrapper(Source):
    """Another source, but for what a subclass changes."""

    source: Source

    @property
    def in_memory(self) -> bool:
        return self.source.in_memory

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def splits(self) -> tuple[str, ...]:
        return self.source.splits

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        return self.source.roles

    @property
    def empty_classes(self) -> tuple[str, ...]:
        return self.source.empty_classes

    @property
    def notes(self) -> tuple[Note, ...]:
        return self.source.notes

    @property
    def taken(self) -> str:
        return self.source.taken

    def identity(self, split: str) -> str:
        return self.source.identity(split)

    def stamp(self, split: str) -> str:
        return self.source.stamp(split)

    def files(self, split: str) -> str:
        return self.source.files(split)

    def unlabelled(self, split: str) -> Split:
        return self.source.unlabelled(split)

    def shared(self, first: str, second: str) -> int:
        return self.source.shared(first, second)


@dataclass(frozen=True)
class WithoutLabels(_Wrapper):
    """A source whose images all count as one class: what there is to draw views from, labelled or not."""

    source: Source

    @property
    def origin(self) -> str:
        """Another than with labels: its cache is sorted otherwise."""
        return f"{self.source.origin} without labels"

    def split(self, split: str) -> Split:
        """The split, labelled or not."""
        return self.source.unlabelled(split)


@dataclass(frozen=True)
class LargeClasses(_Wrapper):
    """A source without the classes that have fewer than `least` images in the training split."""

    source: Source
    least: int
    train_split: str = field(default="train")

    @property
    def origin(self) -> str:
        """As of the source."""
        return self.source.origin

    def files(self, split: str) -> str:
        """As of the source, and how many images a class has to have."""
        return f"{self.source.files(split)} {self.least}"

    @cached_property
    def _train(self) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        split = self.source.split(self.train_split)
        return split.class_names, np.bincount(split.labels[split.labels >= 0], minlength=len(split.class_names))

    @property
    def notes(self) -> tuple[Note, ...]:
        """Which classes are left out."""
        names, counts = self._train
        small = np.flatnonzero(counts < self.least)
        if not len(small):
            return self.source.notes
        listed = ", ".join(f"{names[c]!r} ({counts[c]:,})" for c in small[:5]) + (", …" if len(small) > 5 else "")
        message = (
            f"{len(small):,} of {len(names):,} classes have fewer than {self.least} images and are left out: {listed}."
        )
        return *self.source.notes, Note("small-classes", message, "--min-images 0 keeps every class.")

    def split(self, split: str) -> Split:
        """The images of the classes that are large enough, numbered anew."""
        found, (names, counts) = self.source.split(split), self._train
        kept = np.flatnonzero(counts >= self.least)
        if not len(kept):
            raise DataError(
                f"no class of {self.name} has {self.least:,} images; the largest has {counts.max(initial=0):,}. "
                "Use a smaller --min-images."
            )
        number = np.full(len(names) + 1, -1, np.int32)  # the last for images without a label
        number[kept] = np.arange(len(kept))
        labels = number[found.labels]
        rows = np.flatnonzero((labels >= 0) | (found.labels < 0))
        pixels = None if found.pixels is None else found.pixels[rows]
        class_names = tuple(names[c] for c in kept)
        records = found.records.take(rows)
        return replace(found, records=records, labels=labels[rows], class_names=class_names, pixels=pixels)


OF_RECORDS = ("data_dir", "image_key", "label_key")
"""Settings that choose among the features of records, and the folder of TFDS: of no use to other data sets."""


@dataclass(frozen=True, kw_only=True)
class SourcePart(Part):
    """One kind of source: which data sets are its own, and how one is opened. One file each in this folder.

    A package adds its own by an entry point of the group `simo2.sources`. Settings are those of `DataConfig`.
    """

    last: ClassVar[bool] = False
    """Whether it is asked only when no other claims a text: it takes any name."""
    wide: ClassVar[bool] = False
    """Whether it is asked after simo2's others: it takes any path, and those know theirs by what is there."""
    unused: ClassVar[tuple[str, ...]] = ()
    """Settings of `DataConfig` that mean nothing to it; where one is given, that is said."""

    @classmethod
    def claims(cls, dataset: str) -> bool:
        """Whether what a user gave as `--dataset` is its own."""
        raise NotImplementedError

    def is_on_disk(self, config: DataConfig) -> bool:
        """Whether opening it neither downloads nor writes."""
        return True

    def open(self, config: DataConfig, report: Report) -> Source:
        """Where the images of `config` lie; raises DataError when they are missing or unfit."""
        raise NotImplementedError
