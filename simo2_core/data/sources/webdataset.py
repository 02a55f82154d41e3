"""Shards of WebDataset: `.tar` files of `KEY.jpg` beside `KEY.cls` or `KEY.json`, by a folder or a pattern."""

from __future__ import annotations

import errno
import glob
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.dataset import Note
from simo2_core.data.progress import Progress, Report
from simo2_core.data.sources.folder_scan import printable
from simo2_core.data.sources.labelled import LabelledSource, Raw, plain
from simo2_core.data.sources.place import Facts, files_below, has_suffix, holds, is_pattern, split_of
from simo2_core.data.sources.source import Source, SourcePart
from simo2_core.data.sources.table import numbers_as_such
from simo2_core.data.sources.tar_index import TarShard, index_of, make_indices
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError
from simo2_core.paths import exists, is_dir, user_path

_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MOST_SHARDS = 100_000
_HEAD = 1 << 14


@dataclass(frozen=True, eq=False)
class TarRecords:
    """Images in tar files."""

    files: tuple[str, ...]
    places: NDArray[np.int64]
    """(n, 3): which of the files, the first byte in it, and how many."""
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.places)

    def take(self, rows: NDArray[np.int64]) -> TarRecords:
        """Those of `rows`, in that order."""
        return TarRecords(self.files, self.places[rows], tuple(self.keys[row] for row in rows.tolist()))

    def images(self) -> Iterator[bytes | OSError]:
        """The encoded bytes of each, or why they cannot be read."""
        return self._read(None)

    def heads(self) -> Iterator[bytes | OSError]:
        """The beginning of each."""
        return self._read(_HEAD)

    def _read(self, most: int | None) -> Iterator[bytes | OSError]:
        for number, group in itertools.groupby(self.places.tolist(), key=lambda place: int(place[0])):
            some = list(group)
            try:
                file = os.open(self.files[number], os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                yield from itertools.repeat(error, len(some))
                continue
            try:
                for _, offset, size in some:
                    yield _piece(file, offset, size if most is None else min(size, most))
            finally:
                os.close(file)

    def names(self) -> Sequence[str]:
        """The shard of each and its key."""
        stems = [Path(file).name for file in self.files]
        return [f"{stems[place]}/{key}" for place, key in zip(self.places[:, 0].tolist(), self.keys, strict=True)]


def _piece(file: int, offset: int, size: int) -> bytes | OSError:
    try:
        data = os.pread(file, size, offset)
    except OSError as error:
        return error
    return data if len(data) == size else OSError(errno.EIO, "its shard is cut off")


def expand(pattern: str) -> list[str]:
    """The paths that a pattern means: `{000..012}` and `{train,test}` each in turn, `*` whatever is there.

    Raises:
        DataError: too many, or braces that mean nothing.
    """
    found, left = [], [pattern]
    while left:
        text = left.pop(0)
        match = _BRACES.search(text)
        if match is None:
            found += sorted(glob.glob(text)) if "*" in text and not exists(Path(text)) else [text]  # noqa: PTH207 (a pattern)
            continue
        numbers = _RANGE.fullmatch(match[1])
        if numbers is None and "," not in match[1]:
            raise DataError(f"{pattern!r} has {match[0]} in it; braces hold a range, {{000..012}}, or a list, {{a,b}}.")
        first, last = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
        if last - first + len(left) + len(found) > _MOST_SHARDS:
            raise DataError(f"{pattern!r} means more than {_MOST_SHARDS:,} files. Give a smaller range.")
        width = len(numbers[1]) if numbers else 0
        middle = [f"{number:0{width}}" for number in range(first, last + 1)] if numbers else match[1].split(",")
        left = [f"{text[: match.start()]}{piece}{text[match.end() :]}" for piece in middle] + left
    return list(dict.fromkeys(found))


def _find(place: Path) -> list[Path]:
    """The shards of a folder or a pattern, or the one file; raises DataError where one is missing."""
    if is_dir(place):
        paths = [place / name for name in files_below(place, ".tar")]
    else:
        paths = [Path(path) for path in (expand(str(place)) if is_pattern(str(place)) else [str(place)])]
    gone = [path for path in paths if not exists(path)]
    if gone or not paths:
        what = f"{printable(str(gone[0]))} is not there" if gone else f"{printable(str(place))} matches no file"
        more = f", nor are {len(gone) - 1:,} more of {len(paths):,}" if len(gone) > 1 else ""
        raise DataError(f"{what}{more}. Give a folder of .tar files, or a pattern such as 'train-{{000..012}}.tar'.")
    packed = next((path for path in paths if has_suffix(path.name, _PACKED)), None)
    if packed is not None:
        raise DataError(
            f"{packed} is packed, and images are read in any order. Unpack it to a .tar file, by gunzip, say."
        )
    return paths


def open_shards(place: Path, config: DataConfig, report: Report) -> LabelledSource:
    """The images of some shards; raises DataError where one is damaged, or none holds an image."""
    splits: dict[str, list[tuple[Path, TarShard]]] = {}
    paths, found = _find(place), 0
    for images in make_indices([path.absolute() for path in paths], config.image_key, config.label_key):
        found += images
        report(Progress(stage="labels", name=place.name, done=found))
    for path in paths:
        index = index_of(path.absolute(), config.image_key, config.label_key)
        above = path.relative_to(place).parent.name if path.is_relative_to(place) else ""
        splits.setdefault(split_of(path.stem) or split_of(above) or "train", []).append((path, index))
    if len(splits) == 1 and not is_dir(place):  # what is named alone is what to train on, whatever it is called
        splits = {"train": next(iter(splits.values()))}
    order = [split for split in ("train", "validation", "test") if split in splits]
    root = Path(os.path.commonpath([path.absolute().parent for path in paths]))
    label_from = {index.label_from for some in splits.values() for _, index in some} - {""}
    names = _class_names(root)
    taken = f"{len(paths):,} shards, labels in {', '.join(map(printable, sorted(label_from))) or 'no member'}"
    bare = sum(index.bare for some in splits.values() for _, index in some)
    note = Note("unused", f"not used: {bare:,} samples of {printable(place.name)} that have no image.")
    return LabelledSource(
        place,
        {split: _raw(splits[split]) for split in order},
        {
            split: Facts.of(root, [os.path.relpath(path.absolute(), root) for path, _ in splits[split]], repr(names))
            for split in order
        },
        config,
        taken=taken + (f", the names of {len(names)} classes in classnames.txt" if names else ""),
        names=names,
        notes=(note,) if bare else (),
    )


def _raw(shards: Sequence[tuple[Path, TarShard]]) -> Raw:
    places = [
        np.stack([np.full(len(index.keys), number), index.offsets, index.sizes], 1).astype(np.int64).reshape(-1, 3)
        for number, (_, index) in enumerate(shards)
    ]
    keys = tuple(key for _, index in shards for key in index.keys)
    records = TarRecords(tuple(str(path.absolute()) for path, _ in shards), np.concatenate(places), keys)
    return Raw(records, numbers_as_such(plain(label for _, index in shards for label in index.labels)))


def _class_names(root: Path) -> list[str] | None:
    """A name a line, as OpenCLIP's shards have them beside or above them."""
    for folder in (root, root.parent):
        try:
            return (folder / "classnames.txt").read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            continue
    return None


@dataclass(frozen=True, kw_only=True)
class WebDataset(SourcePart):
    """Tar files of WebDataset."""

    name: ClassVar[str] = "webdataset"
    summary: ClassVar[str] = "WebDataset shards: .tar files of images and labels, by a folder or a pattern with braces"

    @classmethod
    def claims(cls, dataset: str) -> bool:
        """A file or a pattern by its suffix, or a folder of such files without images."""
        return has_suffix(dataset, (".tar", *_PACKED)) or holds(dataset, ".tar")

    def is_on_disk(self, config: DataConfig) -> bool:
        """Whether the file or folder is there, or it is a pattern."""
        return is_pattern(config.dataset) or exists(user_path(config.dataset))

    def open(self, config: DataConfig, report: Report) -> Source:
        """Makes the index of each shard that has none."""
        return open_shards(user_path(config.dataset), config, report)
