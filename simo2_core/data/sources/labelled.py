"""A source whose images come with labels: text or whole numbers, whatever file they lie in, made classes in one way.

Names of classes are numbered in natural order, as folders are; numbers that a file has names for keep their order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.dataset import FEW_CLASSES, Note
from simo2_core.data.sources.folder import FileRecords
from simo2_core.data.sources.folder_scan import alphabetical, natural, printable
from simo2_core.data.sources.place import Facts
from simo2_core.data.sources.source import Records, Source, Split
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError, did_you_mean

LABEL_KEYS = ("label", "labels", "class", "class_name", "target", "targets", "category", "cls", "y")
"""How people call a label, the first first."""
IMAGE_KEYS = ("image", "images", "img", "x", "path", "file", "file_name", "filename", "filepath", "image_path", "data")
"""How people call an image, or the path of one."""
SPLIT_KEYS = ("split", "subset", "partition")

_CURES = "Give each one, choose another with --label-key, or train without labels: --labels none."


@dataclass(frozen=True, eq=False)
class Raw:
    """One split before its classes are numbered."""

    records: Records
    labels: Sequence[object]
    """Of each record a text or a whole number; None where there is none. Whatever else is refused."""
    own_shape: tuple[int | None, int | None, int | None] = (None, None, None)
    transposed: bool = False


class Classes:
    """The classes of some splits: which there are, and which image is of which."""

    def __init__(self, splits: Mapping[str, Raw], names: Sequence[str] | None, config: DataConfig, origin: str) -> None:
        """As of `LabelledSource`."""
        self._splits, self._origin = splits, origin
        self._order = natural if config.class_order == "natural" else alphabetical
        self._labels_count = config.labels != "none"
        self._first = "train" if "train" in splits else next(iter(splits))
        texts = any(isinstance(label, str) for label in splits[self._first].labels)
        self._given = None if texts else names

    def is_bare(self, split: str) -> bool:
        """Whether no image of a split has a label."""
        return all(label is None for label in self._splits[split].labels)

    @cached_property
    def heap(self) -> bool:
        """Whether the images are without classes: they have no labels, or none that is fit and none is asked for."""
        return self.is_bare(self._first) or (
            not self._labels_count and bool(fault(self._splits[self._first].labels, self._given))
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the classes that train has, in their order; a heap is one class, called image."""
        if self.heap:
            return ("image",)
        found = set(self._texts(self._first))
        if self._given is not None:
            return tuple(name for name in dict.fromkeys(self._given) if name in found)
        return tuple(sorted(found, key=self._order))

    @property
    def empty(self) -> tuple[str, ...]:
        """Those that have a name and no image to train on."""
        return () if self._given is None or self.heap else tuple(n for n in self._given if n not in self.names)

    @property
    def few(self) -> str:
        """Why there are no two classes; empty where there are."""
        if len(self.names) > 1:
            return ""
        count, only = len(self._splits[self._first].records), "" if self.heap else f" but {printable(self.names[0])!r}"
        return f"{self._origin} has no class{only}, {count:,} images in all; at least 2 are needed."

    def numbers(self, split: str) -> NDArray[np.int32]:
        """(N,) the class of each image, -1 where a split has none; raises DataError for an unfit or unknown label."""
        if self.is_bare(split):
            return np.full(len(self._splits[split].records), -1, np.int32)
        number = {name: place for place, name in enumerate(self.names)}
        found = self._texts(split)
        unknown = sorted(set(found) - set(number))
        if unknown:
            hint = did_you_mean(unknown[0], number)
            raise DataError(
                f"{split!r} of {self._origin} has the class {printable(unknown[0])!r}, which train does not.{hint} "
                "Label it as in train, or leave it out."
            )
        return np.array([number[name] for name in found], np.int32)

    def _texts(self, split: str) -> list[str]:
        labels = self._splits[split].labels
        wrong = fault(labels, self._given)
        if wrong:
            raise DataError(f"{wrong} in {split!r} of {self._origin}. {_CURES}")
        if self._given is None:
            return [str(label) for label in labels]
        return [label if isinstance(label, str) else self._given[int(str(label))] for label in labels]


class LabelledSource(Source):
    """Splits of images with labels. Each kind of file makes one of what it has read."""

    def __init__(
        self,
        place: Path,
        splits: Mapping[str, Raw],
        facts: Mapping[str, Facts],
        config: DataConfig,
        *,
        taken: str,
        names: Sequence[str] | None = None,
        notes: tuple[Note, ...] = (),
        title: str | None = None,
    ) -> None:
        """
        Args:
            place: the file or folder, or a pattern of files.
            facts: of the files of each split.
            taken: what of the files was taken as image and as label, for people.
            names: of the classes that whole numbers stand for; None where they stand for themselves.
            notes: what to know of the files before a run.
            title: what to call it; None for the name of the file or folder.

        Raises:
            DataError: there is no image.
        """
        self.place = place.absolute()
        self._splits, self._facts, self._notes = dict(splits), dict(facts), notes
        self._taken, self._title = taken, title
        if not any(len(raw.records) for raw in splits.values()):
            raise DataError(f"{self.origin} holds no image: it has no rows. Give one that has.")
        self._classes = Classes(splits, names, config, self.origin)

    @property
    def name(self) -> str:
        """The file's or folder's own name, or as it was asked for."""
        return self._title or printable(self.place.name) or "data"

    @property
    def origin(self) -> str:
        """The absolute path, or as it was asked for."""
        return self._title or printable(str(self.place))

    @property
    def splits(self) -> tuple[str, ...]:
        """`train`, `validation` and `test` where a file or row is named so, whatever the spelling; others by name."""
        return tuple(self._splits)

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        """`validation` and `test`, but what has no labels."""
        offered = [s for s in ("test", "validation") if s in self._splits and not self._classes.is_bare(s)]
        return MappingProxyType({"test": tuple(offered), "validation": tuple(s for s in offered if s == "validation")})

    @property
    def empty_classes(self) -> tuple[str, ...]:
        """Classes that have a name but no image to train on: they are left out."""
        return tuple(map(printable, self._classes.empty))

    @property
    def notes(self) -> tuple[Note, ...]:
        """Why there are no two classes where there are not, and which splits have no labels."""
        notes = list(self._notes)
        if self._classes.few:
            cure = "Say what the label is with --label-key, or train without labels: --labels none."
            notes.append(Note(FEW_CLASSES, self._classes.few, cure))
        bare = [split for split in self._splits if self._classes.is_bare(split) and not self._classes.heap]
        if bare:
            counts = {split: len(self._splits[split].records) for split in bare}
            said = "; ".join(f"{count:,} images without labels in {split!r}" for split, count in counts.items())
            cure = f"They can be trained on beside the others: --labels none --views-split {bare[0]}."
            notes.append(Note("unused", f"not used: {said}.", cure))
        return tuple(notes)

    def identity(self, split: str) -> str:
        """Of name, size and time of every file, and of whether its labels count."""
        self._find(split)
        return self._facts[split].identity + (" without labels" if self._classes.heap else "")

    def stamp(self, split: str) -> str:
        """Of the time of change of every file."""
        self._find(split)
        return self._facts[split].stamp

    def files(self, split: str) -> str:
        """Of name and size of every file."""
        self._find(split)
        return self._facts[split].files

    def split(self, split: str) -> Split:
        """The images of a split, their classes numbered as in train.

        Raises:
            DataError: a label is missing or unfit, or of a class that train has not.
        """
        raw = self._find(split)
        if self._classes.heap:
            return self.unlabelled(split)
        names = tuple(map(printable, self._classes.names))
        return Split(split, raw.records, self._classes.numbers(split), names, raw.own_shape, raw.transposed)

    def unlabelled(self, split: str) -> Split:
        """The images of a split, whatever their labels."""
        raw = self._find(split)
        bare = np.zeros(len(raw.records), np.int32)
        return Split(split, raw.records, bare, ("image",), raw.own_shape, raw.transposed)

    def shared(self, first: str, second: str) -> int:
        """How many files two splits have in common."""
        one, other = self._find(first).records, self._find(second).records
        if first == second:
            return len(one)
        if isinstance(one, FileRecords) and isinstance(other, FileRecords):
            return len(set(one.paths) & set(other.paths))
        return 0

    def _find(self, split: str) -> Raw:
        if split not in self._splits:
            raise DataError(
                f"{self.origin} has no split {split!r}; it has {', '.join(self._splits)}."
                f"{did_you_mean(split, self._splits)} Choose with --train-split and --test-split."
            )
        return self._splits[split]


def fault(labels: Sequence[object], names: Sequence[str] | None) -> str:
    """What is wrong with labels, as the beginning of a sentence; empty where each is a text or a whole number from 0.

    Args:
        names: of the classes that whole numbers stand for.
    """
    kinds = Counter(type(label) for label in labels)
    several = next((label for label in labels if isinstance(label, list | tuple | dict)), None)
    if several is not None:
        count = sum(isinstance(label, list | tuple | dict) for label in labels)
        return f"{count:,} of {len(labels):,} images have several labels (such as {short(several)})"
    if kinds[type(None)]:
        return f"{kinds[type(None)]:,} of {len(labels):,} images have no label"
    odd = [label for label in labels if type(label) not in (str, int)]
    if odd:
        such = f"(such as {short(odd[0])})"
        return f"{len(odd):,} of {len(labels):,} labels are neither names nor whole numbers from 0 {such}"
    if kinds[str] and kinds[int]:
        return f"{kinds[int]:,} labels are numbers and {kinds[str]:,} are names"
    if kinds[int]:
        numbers = [_whole(label) for label in labels]
        if below := [number for number in numbers if number < 0]:
            return f"{len(below):,} of {len(labels):,} labels are below 0 (such as {below[0]})"
        if names is not None and (beyond := [number for number in numbers if number >= len(names)]):
            return (
                f"{len(beyond):,} of {len(labels):,} labels have no name among those of {len(names)} classes "
                f"(such as {beyond[0]})"
            )
        return ""
    try:
        "".join(map(str, labels)).encode()
    except UnicodeEncodeError:
        return "a label is a text that is no Unicode"
    if "" in labels:
        return f"{sum(label == '' for label in labels):,} of {len(labels):,} labels are empty"
    return ""


def _whole(label: object) -> int:
    assert isinstance(label, int)
    return label


def short(value: object) -> str:
    """A value in a message: its beginning, on one line."""
    text = printable(repr(value))
    return text if len(text) <= 60 else text[:57] + "…"


def plain(labels: Iterable[object]) -> list[object]:
    """Labels as `Raw` has them: a list of one is that one, a list of none is none, a truth is its word."""
    found: list[object] = []
    for label in labels:
        if isinstance(label, list | tuple) and len(label) < 2:
            label = label[0] if label else None
        if isinstance(label, bool | np.bool_):
            label = str(bool(label))
        elif isinstance(label, np.integer):
            label = int(label)
        elif isinstance(label, np.str_):
            label = str(label)
        found.append(label)
    return found


def choose_key(names: Sequence[str], given: str | None, usual: Sequence[str], option: str, where: str) -> str | None:
    """Which of `names` is meant: the one that was asked for, else the first that is called as people do; else None.

    Raises:
        DataError: the one that was asked for is not there.
    """
    if given is not None:
        if given in names:
            return given
        listed = ", ".join(map(printable, names)) or "none"
        raise DataError(f"{where} has no {given!r} for {option}; it has {listed}.{did_you_mean(given, names)}")
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[word] for word in usual if word in lower), None)
