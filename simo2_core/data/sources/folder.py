"""A folder of images: CLASS/*.jpg, or train/CLASS and test/CLASS, nested as deep as you like.

A class is the first folder below the split; its files may lie in folders of their own. Images that lie in no folder at
all are a heap without labels. What is passed over is counted and named: see `FolderSource.notes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from simo2_core.config import DataConfig
from simo2_core.data.dataset import FEW_CLASSES, Note
from simo2_core.data.progress import Report
from simo2_core.data.sources.folder_layout import lay_out, too_high, what_is_there
from simo2_core.data.sources.folder_scan import Scan, alphabetical, collect, natural, printable, scan
from simo2_core.data.sources.source import Source, SourcePart, Split, without_labels
from simo2_core.errors import DataError, did_you_mean
from simo2_core.paths import exists, is_dir, user_path

DATA_SETS = frozenset(
    {
        "digits", "mnist", "fashion_mnist", "kmnist", "emnist/balanced", "cifar10", "cifar100", "svhn_cropped",
        "stl10", "eurosat/rgb", "imagenette/160px-v2", "oxford_flowers102", "caltech101", "dtd", "oxford_iiit_pet",
        "cars196", "stanford_dogs", "cats_vs_dogs", "food101", "imagenet2012",
    }
)  # fmt: skip
"""Names of presets' data sets, which a folder that happens to lie here must not take over."""

_HEAD = 1 << 14
"""Bytes of a file that are read for its header: four pages, which come with one read of the disk."""


def is_folder(dataset: str) -> bool:
    """Whether `dataset` means a folder: a preset's `cifar10` never does, `./cifar10` always, `mine` if there is one."""
    if dataset.startswith((".", "/", "~")):
        return True
    return dataset not in DATA_SETS and is_dir(user_path(dataset))


@dataclass(frozen=True)
class FileRecords:
    """Image files below `root`."""

    root: str
    paths: tuple[str, ...]
    """Relative to `root`."""

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, rows: NDArray[np.int64]) -> FileRecords:
        """Those of `rows`, in that order."""
        return FileRecords(self.root, tuple(self.paths[row] for row in rows.tolist()))

    def images(self) -> Iterator[bytes | OSError]:
        """The content of each file, or why it cannot be read."""
        return self._read(-1)

    def heads(self) -> Iterator[bytes | OSError]:
        """The beginning of each file, or why it cannot be read."""
        return self._read(_HEAD)

    def _read(self, size: int) -> Iterator[bytes | OSError]:
        for path in self.paths:
            try:
                with open(f"{self.root}/{path}", "rb") as file:  # noqa: PTH123 (Path costs 5 µs of a 70 µs decode)
                    yield file.read(size)
            except OSError as error:
                yield error

    def names(self) -> Sequence[str]:
        """The relative paths, safe to print."""
        return [printable(path) for path in self.paths]


class FolderSource(Source):
    """A folder with a folder for each class, or a heap of images, seen once when it is made.

    Raises:
        DataError: no images, with what was found instead.
    """

    def __init__(self, root: Path, *, order: str = "natural") -> None:
        """Looks at the folders of the splits.

        Args:
            order: of the classes: `natural` (0, 90, 180) or `alphabetical` (0, 180, 90).
        """
        self.root = root.absolute()
        if not is_dir(self.root):
            gone = (
                "" if exists(self.root) else " Have the images of a run moved, simo2 resume RUN --dataset NEW goes on."
            )
            raise DataError(
                f"{root} is no folder. Give the path of a folder with one folder of images for each class.{gone}"
            )
        self._order = natural if order == "natural" else alphabetical
        layout = lay_out(self.root)
        self._folders, self._others = layout.splits, layout.others
        self._scans = {name: scan(folder, self._order) for name, folder in self._folders.items()}
        if not self._scans["train"].paths:
            folder = self._folders["train"]
            raise DataError(f"{printable(str(folder))} has no class with images. {what_is_there(folder)}")

    @property
    def name(self) -> str:
        """The folder's own name."""
        return printable(self.root.name) or "folder"

    @property
    def origin(self) -> str:
        """The folder's absolute path."""
        return printable(str(self.root))

    @property
    def splits(self) -> tuple[str, ...]:
        """`train`, and `validation` and `test` where there are folders for them; a folder beside them by its name."""
        return tuple(self._scans)

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        """`validation` and `test`, but what has no labels."""
        offered = [split for split in ("test", "validation") if split in self._folders and self._is_labelled(split)]
        return {"test": tuple(offered), "validation": tuple(split for split in offered if split == "validation")}

    @property
    def empty_classes(self) -> tuple[str, ...]:
        """Folders of the training split that would be classes but hold no image: they are left out."""
        return self._scans["train"].empty

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes as the folders have them; a heap is one class, called image."""
        return self._scans["train"].classes or ("image",)

    def identity(self, split: str) -> str:
        """A hash of the name, size and time of every file."""
        return self._find(split).identity

    def stamp(self, split: str) -> str:
        """A hash of the time of change of every file."""
        return self._find(split).stamp

    def files(self, split: str) -> str:
        """A hash of the name and size of every file."""
        return self._find(split).files

    def split(self, split: str) -> Split:
        """The images of a split, their classes numbered as in train, in its order."""
        found, classes = self._find(split), self.classes
        unknown = sorted(set(found.classes) - set(classes))
        if unknown and not self._scans["train"].heap:
            hint = did_you_mean(unknown[0], classes)
            raise DataError(
                f"{printable(str(self._folders[split]))} has the class {printable(unknown[0])!r}, "
                f"which train does not.{hint} Name its folder as in train, or remove it."
            )
        number = {name: index for index, name in enumerate(classes)}
        if self._scans["train"].heap:
            labels = np.zeros(len(found.paths), np.int32)
        elif found.heap:
            labels = np.full(len(found.paths), -1, np.int32)
        else:
            labels = np.repeat(np.array([number[name] for name in found.classes], np.int32), found.counts)
        return self._opened(split, found, labels, tuple(printable(name) for name in classes))

    def unlabelled(self, split: str) -> Split:
        """The images of a split, of whatever classes."""
        found = self._find(split)
        return without_labels(self._opened(split, found, np.zeros(len(found.paths), np.int32), ()))

    def shared(self, first: str, second: str) -> int:
        """All where both are the same folder."""
        count = len(self._find(first).paths)
        self._find(second)
        return count if self._folders[first] == self._folders[second] else 0

    def _opened(self, split: str, found: Scan, labels: NDArray[np.int32], classes: tuple[str, ...]) -> Split:
        folder = self._folders[split]
        prefix = "" if folder == self.root else f"{printable(folder.name)}/"
        return Split(split, FileRecords(str(folder), found.paths), labels, classes, prefix=prefix)

    def _is_labelled(self, split: str) -> bool:
        return self._scans["train"].heap or (bool(self._scans[split].paths) and not self._scans[split].heap)

    def _find(self, split: str) -> Scan:
        if split not in self._scans:
            other = next((folder for folder in self._others if printable(folder.name) == split), None)
            if other is None:
                raise DataError(
                    f"{printable(str(self.root))} has no split {split!r}; it has {', '.join(self._scans)}. "
                    "Add a folder of that name, or hold a stratified part of train out: --test-split hold-out."
                )
            self._folders = {**self._folders, split: other}
            self._scans[split] = scan(other, self._order)
        return self._scans[split]

    @cached_property
    def notes(self) -> tuple[Note, ...]:
        """What lies in the folder and is not used, and why there are no two classes where there are not."""
        found = [*self._few_classes(), *self._left_out()]
        return tuple(found)

    def _few_classes(self) -> Iterator[Note]:
        train = self._scans["train"]
        if len(train.classes) > 1:
            return
        where, inner = printable(str(self._folders["train"])), too_high(self._folders["train"])
        if inner is not None:
            said = f"{where} has only the class {printable(inner.name)!r}, which is a data set itself."
            yield Note(FEW_CLASSES, said, f"Use --dataset {printable(str(inner))}.")
            return
        what = f"only the class {printable(train.classes[0])!r}" if train.classes else "no class"
        yield Note(
            FEW_CLASSES,
            f"{where} has {what} with images ({len(train.paths):,} of them); at least 2 are needed.",
            "Put the images of each class into a folder of their own, or train without labels: --labels none.",
        )

    def _left_out(self) -> Iterator[Note]:
        folders = {folder.name: len(collect(str(folder), "").paths) for folder in self._others}
        parts = [f"{count:,} images in {printable(name)}/" for name, count in folders.items() if count]
        cures = [f"Use a folder by its name (--test-split {printable(next(iter(folders)))}, or with --labels none "
                 f"--views-split {printable(next(iter(folders)))})."] if parts else []  # fmt: skip
        unlabelled = [split for split in self._folders if split != "train" and not self._is_labelled(split)]
        for split in unlabelled:
            if self._scans[split].paths:
                folder = printable(self._folders[split].name)
                parts.append(f"{len(self._scans[split].paths):,} images without labels in {folder}/")
                cures.append("The test part is held out of train.")
        for split, found in self._scans.items():
            if found.loose:
                parts.append(f"{found.loose:,} images of {split} in no folder of a class")
        passed = [path for found in self._scans.values() for path in found.passed]
        if passed:
            kinds = Counter(_suffix(path) for path in passed)
            listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(4))
            parts.append(f"{len(passed):,} files ({listed}; such as {printable(passed[0])})")
            cures.append("Convert files to a format that Pillow reads, such as PNG or JPEG, and name them by it.")
        if parts:
            yield Note("unused", f"not used: {'; '.join(parts)}.", " ".join(cures))


def _suffix(path: str) -> str:
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return f"ending in {printable(name[dot:].lower())}" if dot > 0 else "without a suffix"


@dataclass(frozen=True, kw_only=True)
class Folder(SourcePart):
    """Folders of images."""

    name: ClassVar[str] = "folder"
    summary: ClassVar[str] = "a folder of images, with a folder for each class"

    @classmethod
    def claims(cls, dataset: str) -> bool:
        """A path; or a word that is a folder here and no preset's data set."""
        return is_folder(dataset)

    def is_on_disk(self, config: DataConfig) -> bool:
        """Whether the folder is there."""
        return is_dir(user_path(config.dataset))

    def open(self, config: DataConfig, report: Report) -> Source:
        """Looks at every file."""
        return FolderSource(user_path(config.dataset), order=config.class_order)
