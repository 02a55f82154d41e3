"""Files and folders that a user names as a data set: what is a path, what lies there, which split a name means."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from simo2_core.data.placement import host_memory_free, human_bytes
from simo2_core.data.sources.folder_scan import is_image_name
from simo2_core.errors import DataError
from simo2_core.paths import exists, is_dir, user_path

DATA_SETS = frozenset(
    {
        "digits", "mnist", "fashion_mnist", "kmnist", "emnist/balanced", "cifar10", "cifar100", "svhn_cropped",
        "stl10", "eurosat/rgb", "imagenette/160px-v2", "oxford_flowers102", "caltech101", "dtd", "oxford_iiit_pet",
        "cars196", "stanford_dogs", "cats_vs_dogs", "food101", "imagenet2012",
    }
)  # fmt: skip
"""Names of presets' data sets, which a folder that happens to lie here must not take over."""

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""How people call each split."""

_SPLIT_OF = {spelling: split for split, spellings in SPLIT_NAMES.items() for spelling in spellings}
_LOOKED_AT = 2000
"""Names in a folder that are looked at to tell its kind: one of images may have a million."""


def is_place(dataset: str) -> bool:
    """Whether `dataset` means a path: a preset's `cifar10` never does, `./cifar10` always, `mine` where there is one.

    A pattern, such as `train-{000..007}.tar`, means the files that it matches.
    """
    if dataset.startswith((".", "/", "~")):
        return True
    path = user_path(dataset)
    return dataset not in DATA_SETS and (is_pattern(dataset) or is_dir(path) or (bool(path.suffix) and exists(path)))


def is_pattern(dataset: str) -> bool:
    """Whether a path has braces or stars and is no file itself."""
    return any(sign in dataset for sign in "{*") and not exists(user_path(dataset))


def is_gone(origin: str) -> bool:
    """Whether the place of a source, absolute, is not there any more; raises OSError where that cannot be told."""
    if "{" in origin or "*" in origin:
        kept = re.split(r"[{*]", origin)[0]
        origin = origin if os.path.lexists(origin) else os.path.dirname(kept)  # noqa: PTH120 (text of a pattern)
    try:
        Path(origin).stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    return False


def has_suffix(dataset: str, suffixes: Sequence[str]) -> bool:
    """Whether a path ends in one of `suffixes`, whatever its case; no preset's data set does."""
    return dataset.lower().endswith(tuple(suffixes))


def split_of(name: str) -> str | None:
    """The split that a word of a file's name means: `imagenet-val-0001` is of validation; None where none does."""
    words = re.split(r"[^A-Za-z]+", name.lower())
    return next((_SPLIT_OF[word] for word in words if word in _SPLIT_OF), None)


def names_in(folder: Path) -> list[str]:
    """The names in a folder, sorted; empty where it cannot be listed."""
    try:
        with os.scandir(folder) as found:
            return sorted(entry.name for entry in found if entry.name[0] != ".")
    except (OSError, ValueError):
        return []


def has_name(folder: Path, fits: Callable[[str], object]) -> bool:
    """Whether one of the first names in a folder fits."""
    try:
        with os.scandir(folder) as found:
            return any(fits(entry.name) for entry in itertools.islice(found, _LOOKED_AT))
    except (OSError, ValueError):
        return False


def has_pictures(folder: Path) -> bool:
    """Whether images lie in a folder or in the folders in it, so that it is a folder of images whatever else it has."""
    left = _LOOKED_AT
    for _, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if any(map(is_image_name, names)):
            return True
        left -= len(names) + len(folders)
        if left < 0:
            break
    return False


def files_below(folder: Path, suffix: str) -> list[str]:
    """Files at most three folders deep that end in `suffix`, relative to `folder` and sorted."""
    return sorted(_below(folder, suffix))


def _below(folder: Path, suffix: str) -> Iterator[str]:
    for here, folders, names in os.walk(folder):
        inner = os.path.relpath(here, folder)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if inner.count("/") < 2 else []
        below = "" if inner == "." else f"{inner}/"
        yield from (f"{below}{name}" for name in names if name.lower().endswith(suffix) and name[0] != ".")


def holds(dataset: str, suffix: str) -> bool:
    """Whether a folder holds files that end in `suffix`, at most three folders deep, and no images."""
    folder = user_path(dataset)
    return is_place(dataset) and is_dir(folder) and not has_pictures(folder) and any(_below(folder, suffix))


@dataclass(frozen=True)
class Facts:
    """What tells the files of a split from others, without reading them: see `Source`."""

    identity: str
    stamp: str
    files: str

    @classmethod
    def of(cls, root: Path, paths: Iterable[str], *more: str) -> Facts:
        """Of files below `root`; one that is missing counts as of no size.

        Args:
            more: what else decides what is read of them.
        """
        identity, stamp, files = (hashlib.sha256(repr(more).encode()) for _ in range(3))
        for path in paths:
            try:
                stat = os.stat(f"{root}/{path}")  # noqa: PTH116 (Path costs 5 µs)
                size, time, changed = stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
            except (OSError, ValueError):
                size, time, changed = -1, 0, 0
            name = os.fsencode(path) + b"\0"
            identity.update(name + b"%d %d\n" % (size, time))
            stamp.update(b"%d\n" % changed)
            files.update(name + b"%d\n" % size)
        return cls(identity.hexdigest(), stamp.hexdigest(), files.hexdigest())


def require_memory(size: int, what: str, cure: str) -> None:
    """Raises DataError where `size` bytes, which a file says it has, do not fit into half of the free memory."""
    free = host_memory_free()
    if size > free // 2:
        raise DataError(
            f"{what} says that it holds {human_bytes(size)}; {human_bytes(free)} of memory are free. {cure}"
        )
