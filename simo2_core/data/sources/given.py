"""Images that a program of one's own hands over as arrays: `python:NAME`, for as long as that program runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simo2_core.data.progress import Report
from simo2_core.data.sources.source import OF_RECORDS, Source, SourcePart, Split, split_of_pixels
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError

PREFIX = "python:"

_given: dict[str, GivenSource] = {}


def give(
    name: str,
    images: ArrayLike | Callable[[int], ArrayLike],
    labels: Sequence[Any] | NDArray[Any],
    test: tuple[ArrayLike | Callable[[int], ArrayLike], Any] | None = None,
) -> str:
    """Makes arrays a data set of this program.

    Args:
        name: what it is called; a data set of the same name is replaced.
        images: (N, H, W) or (N, H, W, ch) uint8, ch 1 or 3; or a function that gives each (H, W) or (H, W, ch) by its
            number, asked once for each label.
        labels: (N,) whole numbers, or names of classes.
        test: images and labels that are only tested on; by default a part of the others is held out.

    Returns: what to give as `dataset`.

    Raises:
        DataError: shapes, dtype or labels that do not fit.
    """
    each = np.asarray(labels)
    if not _are_classes(each):
        raise DataError(
            f"train labels are {each.dtype}; they must be whole numbers or names. Whole ones fit as labels.astype(int)."
        )
    names = tuple(str(item) for item in np.unique(each))
    splits = {"train": _split("train", images, labels, names)}
    if test is not None:
        splits["test"] = _split("test", *test, names)
        if splits["test"].own_shape != splits["train"].own_shape:
            raise DataError("test images have another size than those to train on; make them alike.")
    _given[name] = GivenSource(name, splits)
    return PREFIX + name


def shape_given(dataset: str) -> tuple[int, int, int]:
    """Height, width and channels of the images that `give` has returned `dataset` for."""
    height, width, channels = _given[dataset.removeprefix(PREFIX)].split("train").own_shape
    assert height is not None
    assert width is not None
    assert channels is not None
    return height, width, channels


def _are_classes(labels: NDArray[Any]) -> bool:
    return labels.dtype.kind in "iubUS" or all(isinstance(label, (str, int, np.integer)) for label in labels.flat)


def _split(name: str, images: ArrayLike | Callable[[int], ArrayLike], labels: Any, names: tuple[str, ...]) -> Split:
    each = np.asarray(labels)
    pixels = _stacked(name, images, each.size) if callable(images) else np.asarray(images)
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] not in (1, 3) or not pixels.size:
        raise DataError(
            f"{name} images are {pixels.dtype} {pixels.shape}; they must be uint8 (N, H, W) or (N, H, W, 1 or 3)."
        )
    if each.shape != (len(pixels),):
        raise DataError(f"{name} labels are of shape {each.shape}; there must be one for each of {len(pixels)} images.")
    numbers = {item: number for number, item in enumerate(names)}
    unknown = {str(item) for item in np.unique(each)} - set(names)
    if unknown:
        raise DataError(f"{name} has labels that are not trained on: {', '.join(sorted(unknown)[:5])}.")
    classes = np.array([numbers[str(item)] for item in each], np.int32)
    return split_of_pixels(name, pixels, classes, names)


def _stacked(name: str, image: Callable[[int], ArrayLike], count: int) -> NDArray[Any]:
    """(count, …) what a function gives for each number."""
    made = [np.asarray(image(number)) for number in range(count)]
    shapes = {(one.shape, one.dtype) for one in made}
    if len(shapes) > 1:
        (first, one), (second, other), *_ = sorted(shapes, key=str)
        raise DataError(f"{name} images are of {one} {first} and of {other} {second}; make them alike.")
    return np.stack(made) if made else np.zeros((0, 0, 0), np.uint8)


class GivenSource(Source):
    """Arrays by split."""

    def __init__(self, name: str, splits: Mapping[str, Split]) -> None:
        self._name, self._splits = name, dict(splits)

    @property
    def name(self) -> str:
        """As it was given."""
        return self._name

    @property
    def in_memory(self) -> bool:
        """They are pixels."""
        return True

    @property
    def splits(self) -> tuple[str, ...]:
        """`train`, and `test` where it was given."""
        return tuple(self._splits)

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        """A test part that was given is tested on."""
        return MappingProxyType({"test": ("test",)} if "test" in self._splits else {})

    def identity(self, split: str) -> str:
        """Of the pixels and labels themselves."""
        found = self.split(split)
        assert found.pixels is not None
        return hashlib.sha256(found.pixels.tobytes() + found.labels.tobytes()).hexdigest()

    def split(self, split: str) -> Split:
        """Opens a split."""
        if split not in self._splits:
            raise DataError(f"{PREFIX}{self._name} has no split {split!r}; it has {', '.join(self._splits)}.")
        return self._splits[split]


@dataclass(frozen=True, kw_only=True)
class Given(SourcePart):
    """Arrays of the program that trains."""

    name: ClassVar[str] = "python"
    summary: ClassVar[str] = "arrays that a program hands over"
    unused: ClassVar[tuple[str, ...]] = OF_RECORDS

    @classmethod
    def claims(cls, dataset: str) -> bool:
        """What `give` returns."""
        return dataset.startswith(PREFIX)

    def open(self, config: DataConfig, report: Report) -> Source:
        """The arrays; raises DataError in every other program than the one that gave them."""
        name = config.dataset.removeprefix(PREFIX)
        if name not in _given:
            raise DataError(
                f"{config.dataset} are arrays of the program that trained, and are not here. Give the same images to "
                "simo2_core.give, or name another data set with the option for it (--dataset, --data)."
            )
        return _given[name]
