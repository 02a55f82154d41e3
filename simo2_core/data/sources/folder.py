"""A folder of images: CLASS/*.jpg, or train/CLASS and test/CLASS, nested as deep as you like.

A class is the first folder below the split; its files may lie in folders of their own. Files and folders whose
name begins with a dot, and files without an image's suffix (a README), are passed over.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.sources.source import Split
from simo2_core.errors import DataError, did_you_mean

SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib",
        ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico",
        ".jp2", ".j2k", ".jpx", ".avif", ".qoi", ".pcx", ".sgi", ".dds",
    }
)  # fmt: skip
"""Image formats that Pillow reads; not .pdf, .eps and the like, which it can only sometimes."""

SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""How people call the folders of each split."""


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
        for path in self.paths:
            try:
                with open(f"{self.root}/{path}", "rb") as file:  # noqa: PTH123 (Path costs 5 µs of a 70 µs decode)
                    yield file.read()
            except OSError as error:
                yield error

    def names(self) -> Sequence[str]:
        """The relative paths, safe to print."""
        return [printable(path) for path in self.paths]


class FolderSource:
    """A folder with a folder for each class, seen once when it is made.

    Raises:
        DataError: no classes, or fewer than two, with what was found instead.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        if not self.root.is_dir():
            raise DataError(f"{root} is no folder. Give the path of a folder with one folder of images for each class.")
        self._folders = _split_folders(self.root)
        self._scans = {name: _scan(folder) for name, folder in self._folders.items()}
        train = self._scans["train"]
        if len(train.classes) < 2:
            found = f"only the class {printable(train.classes[0])!r}" if train.classes else "no class"
            raise DataError(
                f"{printable(str(self._folders['train']))} has {found} with images; at least 2 are needed. "
                "Put the images of each class into a folder of their own."
            )

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
        """`train`, and `validation` and `test` where there are folders for them."""
        return tuple(self._scans)

    @property
    def empty_classes(self) -> tuple[str, ...]:
        """Folders of the training split that would be classes but hold no image: they are left out."""
        return self._scans["train"].empty

    def identity(self, split: str) -> str:
        """A hash of the name, size and time of every file."""
        return self._find(split).identity

    def split(self, split: str) -> Split:
        """The images of a split, their classes numbered as in train, alphabetically."""
        scan, classes = self._find(split), self._scans["train"].classes
        unknown = sorted(set(scan.classes) - set(classes))
        if unknown:
            hint = did_you_mean(unknown[0], classes)
            raise DataError(
                f"{printable(str(self._folders[split]))} has the class {printable(unknown[0])!r}, "
                f"which train does not.{hint} Name its folder as in train, or remove it."
            )
        number = {name: index for index, name in enumerate(classes)}
        labels = np.array([number[path.split("/", 1)[0]] for path in scan.paths], np.int32)
        records = FileRecords(str(self._folders[split]), scan.paths)
        return Split(split, records, labels, tuple(printable(name) for name in classes))

    def _find(self, split: str) -> _Scan:
        if split not in self._scans:
            raise DataError(
                f"{printable(str(self.root))} has no split {split!r}; it has {', '.join(self._scans)}. "
                "Add a folder of that name, or hold a stratified part of train out: --test-split hold-out."
            )
        return self._scans[split]


def printable(text: str) -> str:
    """A file name as one line of text: newlines and bytes that are no UTF-8 are escaped, letters kept."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode() for letter in text
    )


@dataclass(frozen=True)
class _Files:
    """Image files of one class, in three lists of one length: tuples of a million files take longer to make."""

    paths: list[str]
    """Relative to the split."""
    sizes: list[int]
    """In bytes; -1 for a link that leads nowhere."""
    changed: list[int]
    """Time of the last change, in nanoseconds."""


@dataclass(frozen=True)
class _Scan:
    classes: tuple[str, ...]
    empty: tuple[str, ...]
    paths: tuple[str, ...]
    identity: str


def _split_folders(root: Path) -> dict[str, Path]:
    names = {entry.name.lower(): Path(entry.path) for entry in _entries(str(root)) if entry.is_dir()}
    found = {}
    for split, spellings in SPLIT_FOLDERS.items():
        for spelling in spellings:
            if spelling in names:
                found[split] = names[spelling]
                break
    if "train" not in found:
        return {"train": root}
    if "test" not in found and "validation" in found:
        found["test"] = found.pop("validation")  # ImageNet's habit: what is called val is what papers report
    return found


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return [entry for entry in found if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{printable(folder)} cannot be listed: {error.strerror}. Check its permissions.") from None


def _scan(root: Path) -> _Scan:
    prefix = len(str(root)) + 1
    classes: list[str] = []
    empty: list[str] = []
    paths: list[str] = []
    digest = hashlib.sha256()
    for entry in sorted(_entries(str(root)), key=lambda entry: os.fsencode(entry.name)):
        if not entry.is_dir():
            continue
        files = _Files([], [], [])
        _collect(entry.path, prefix, (), files)
        (classes if files.paths else empty).append(entry.name)
        order = sorted(range(len(files.paths)), key=files.paths.__getitem__)
        ordered = [files.paths[i] for i in order]
        paths += ordered
        digest.update(os.fsencode("\0".join([entry.name, *ordered, ""])))
        digest.update(np.array([files.sizes, files.changed], np.int64)[:, order].tobytes())
    return _Scan(tuple(classes), tuple(printable(name) for name in empty), tuple(paths), digest.hexdigest())


def _collect(folder: str, prefix: int, above: tuple[tuple[int, int], ...], files: _Files) -> None:
    """Appends each image below `folder`, links followed but never in a circle. Every microsecond counts: a million
    files are listed at each start, so paths stay strings."""
    here = Path(folder).stat()
    if (here.st_dev, here.st_ino) in above:
        return
    above = (*above, (here.st_dev, here.st_ino))
    inner = folder[prefix:] + "/"
    for entry in _entries(folder):
        name = entry.name
        if entry.is_dir():
            _collect(entry.path, prefix, above, files)
        elif name[name.rfind(".") :].lower() in SUFFIXES:
            try:
                stat = entry.stat()
            except OSError:  # a dangling link: named later, as unreadable
                size, changed = -1, 0
            else:
                size, changed = stat.st_size, stat.st_mtime_ns
            files.paths.append(inner + name)
            files.sizes.append(size)
            files.changed.append(changed)
