"""A folder of images: CLASS/*.jpg, or train/CLASS and test/CLASS, nested as deep as you like.

A class is the first folder below the split; its files may lie in folders of their own. Images that lie in no folder at
all are a heap without labels. What is passed over is counted and named: see `FolderSource.notes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.dataset import Note
from simo2_core.data.progress import Report
from simo2_core.data.sources.folder_layout import lay_out, what_is_there
from simo2_core.data.sources.folder_notes import few_classes, is_labelled, labels_of, left_out
from simo2_core.data.sources.folder_scan import Scan, alphabetical, collect, natural, printable, scan
from simo2_core.data.sources.place import is_place
from simo2_core.data.sources.source import OF_RECORDS, Source, SourcePart, Split, without_labels
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError, did_you_mean
from simo2_core.paths import exists, is_dir, user_path

_HEAD = 1 << 14
"""Bytes of a file that are read for its header: four pages, which come with one read of the disk."""


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
                f"{printable(str(root))} is no folder, and no file whose suffix says that it holds labelled images. "
                f"Give the path of a folder with one folder of images for each class.{gone}"
            )
        self._order = natural if order == "natural" else alphabetical
        layout = lay_out(self.root)
        self._folders = layout.splits
        self._others = {folder: len(collect(str(folder), "").paths) for folder in layout.others}
        self._asked: set[str] = set()
        """Splits that somebody has asked for, so that they are not called unused."""
        self._scans = {name: scan(folder, self._order) for name, folder in self._folders.items()}
        if not self._scans["train"].paths:
            folder = self._folders["train"]
            raise DataError(f"{printable(str(folder))} has no class with images. {what_is_there(folder)}")
        self._taken = labels_of(self.root, [(self._folders[name], found) for name, found in self._scans.items()])

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
        train = self._scans["train"]
        offered = [
            split
            for split in ("test", "validation")
            if split in self._folders and is_labelled(self._scans[split], train)
        ]
        return {"test": tuple(offered), "validation": tuple(split for split in offered if split == "validation")}

    @property
    def empty_classes(self) -> tuple[str, ...]:
        """Folders of the training split that would be classes but hold no image: they are left out."""
        return self._scans["train"].empty

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
        found, classes = self._find(split), self._scans["train"].names
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

    def _find(self, split: str) -> Scan:
        self._asked.add(split)
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

    @property
    def notes(self) -> tuple[Note, ...]:
        """What lies in the folder and is not used, and why there are no two classes where there are not."""
        splits = {split: (folder, self._scans[split]) for split, folder in self._folders.items()}
        return (*few_classes(*splits["train"]), *left_out(splits, self._others, self._asked))


@dataclass(frozen=True, kw_only=True)
class Folder(SourcePart):
    """Folders of images."""

    name: ClassVar[str] = "folder"
    summary: ClassVar[str] = "a folder of images, with a folder for each class"
    wide: ClassVar[bool] = True
    unused: ClassVar[tuple[str, ...]] = OF_RECORDS

    @classmethod
    def claims(cls, dataset: str) -> bool:
        """Any path that no other kind claims; or a word that is one here and no preset's data set."""
        return is_place(dataset)

    def is_on_disk(self, config: DataConfig) -> bool:
        """Whether the folder is there."""
        return is_dir(user_path(config.dataset))

    def open(self, config: DataConfig, report: Report) -> Source:
        """Looks at every file."""
        return FolderSource(user_path(config.dataset), order=config.class_order)
