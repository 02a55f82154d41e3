"""A folder of images: CLASS/*.jpg, or train/CLASS and test/CLASS, nested as deep as you like.

A class is the first folder below the split; its files may lie in folders of their own. Files and folders whose
name begins with a dot, files without an image's suffix (a README), and pipes and devices are passed over.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.sources.source import Split
from simo2_core.errors import DataError, did_you_mean
from simo2_core.paths import is_dir, user_path

SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib",
        ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico",
        ".jp2", ".j2k", ".jpx", ".avif", ".qoi", ".pcx", ".sgi", ".dds",
    }
)  # fmt: skip
"""Image formats that Pillow reads; not .pdf, .eps and the like, which it can only sometimes."""

DATA_SETS = frozenset(
    {
        "digits", "mnist", "fashion_mnist", "kmnist", "emnist/balanced", "cifar10", "cifar100", "svhn_cropped",
        "stl10", "eurosat/rgb", "imagenette/160px-v2", "oxford_flowers102", "caltech101", "dtd", "oxford_iiit_pet",
        "cars196", "stanford_dogs", "cats_vs_dogs", "food101", "imagenet2012",
    }
)  # fmt: skip
"""Names of presets' data sets, which a folder that happens to lie here must not take over."""

SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""How people call the folders of each split."""


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
        if not is_dir(self.root):
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

    def stamp(self, split: str) -> str:
        """A hash of the time of change of every file."""
        return self._find(split).stamp

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
        labels = np.repeat(np.array([number[name] for name in scan.classes], np.int32), scan.counts)
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
class _Scan:
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    """Files of each class."""
    empty: tuple[str, ...]
    paths: tuple[str, ...]
    """Relative to the split, by class, each class by path."""
    identity: str
    stamp: str


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
        raise _unlistable(folder, error) from None


def _unlistable(folder: str, error: OSError) -> DataError:
    return DataError(f"{printable(folder)} cannot be listed: {error.strerror}. Check its permissions.")


def _scan(root: Path) -> _Scan:
    classes: list[str] = []
    counts: list[int] = []
    empty: list[str] = []
    paths: list[str] = []
    digest, stamp = hashlib.sha256(), hashlib.sha256()
    for entry in sorted(_entries(str(root)), key=lambda entry: os.fsencode(entry.name)):
        if not entry.is_dir():
            continue
        found: list[str] = []
        facts: list[int] = []
        _collect(entry.path, entry.name + "/", (), found, facts)
        known, ordered = np.array(facts, np.int64).reshape(-1, 3), sorted(found)
        if ordered != found:  # a folder comes sorted, folders in folders do not
            known = known[sorted(range(len(found)), key=found.__getitem__)]
        digest.update(os.fsencode("\0".join([entry.name, *ordered, ""])))
        digest.update(known[:, :2].T.tobytes())
        stamp.update(known[:, 2].tobytes())
        paths += ordered
        if ordered:
            classes.append(entry.name)
            counts.append(len(ordered))
        else:
            empty.append(printable(entry.name))
    return _Scan(tuple(classes), tuple(counts), tuple(empty), tuple(paths), digest.hexdigest(), stamp.hexdigest())


def _collect(folder: str, below: str, above: tuple[tuple[int, int], ...], paths: list[str], facts: list[int]) -> None:
    """Appends each image below `folder`: its path, and its size, its time and when the system last saw it changed.

    Those are -1, 0 and 0 for a dangling link.

    Links are followed but never in a circle. Every microsecond counts: a million files are looked at at each start.
    So each is asked about once, by its name in an open folder, and its path stays a string. Not by threads: handing
    the interpreter's lock to and fro costs more than two processors gain (0.32 s instead of 0.14 for 50,000 files).
    """
    try:
        here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unlistable(folder, error) from None
    inner = []
    try:
        own = os.fstat(here)
        if (own.st_dev, own.st_ino) in above:
            return
        above = (*above, (own.st_dev, own.st_ino))
        for name in sorted(os.listdir(here)):  # noqa: PTH208 (an open folder has no Path)
            if name[0] == ".":
                continue
            suffix = name[name.rfind(".") :]
            image = suffix in SUFFIXES or suffix.lower() in SUFFIXES
            try:
                stat = os.stat(name, dir_fd=here)
            except OSError:
                if image:  # a dangling link: named later, as unreadable
                    paths.append(below + name)
                    facts += (-1, 0, 0)
                continue
            if S_ISDIR(stat.st_mode):
                inner.append(name)
            elif image and S_ISREG(stat.st_mode):  # reading a pipe or a device might never end
                paths.append(below + name)
                facts += (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    except OSError as error:
        raise _unlistable(folder, error) from None
    finally:
        os.close(here)
    for name in inner:
        _collect(f"{folder}/{name}", f"{below}{name}/", above, paths, facts)
