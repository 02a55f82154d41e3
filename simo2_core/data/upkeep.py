"""What keeps the cache of decoded images from growing without end: what nobody needs goes before anything comes.

Of an image folder that has changed only the newest state is kept. Together the entries take at most `size_limit`:
those of folders that are gone go first, then those that were used longest ago, and none that is in use.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simo2_core.cache_folder import cache_folder
from simo2_core.data.cache import NoRoom, as_notes, cache_root, entry_key, retire, stored_facts
from simo2_core.data.locks import is_free
from simo2_core.data.placement import disk_free, human_bytes
from simo2_core.data.progress import Report
from simo2_core.data.sources.place import is_gone, is_pattern
from simo2_core.data.sources.tar_index import INDICES
from simo2_core.data.sources.webdataset import expand
from simo2_core.data.survey import SURVEYS
from simo2_core.errors import DataError

SIZE_VARIABLE = "SIMO2_CACHE_SIZE"
"""The most that the cache may take, such as 50GB."""
_MOST = 300_000_000_000
"""Without that variable: ImageNet at 224 pixels is 200 GB."""
_SHARE = 0.9
"""And no more of what its disk has for it."""
_DAY = 86_400.0
_GONE_DAYS, _UNKNOWN_DAYS = 7, 30
"""After how many days without use goes an entry whose folder is gone (a disk may only be unplugged), and one of which
it cannot be told whether it is in use, since the file system has no locks."""

_ENTRY = re.compile(r"[^.].*-[0-9a-f]{20}")
_HIDDEN = re.compile(r"\.(?P<name>.+-[0-9a-f]{20})\.\d+")


@dataclass(frozen=True)
class Stored:
    """An entry of the cache, whole, damaged, half built or waiting to be removed."""

    path: Path
    key: Mapping[str, Any]
    """Empty when it is damaged."""
    bytes: int
    used: float
    """When it was last used, in seconds since 1970."""

    @property
    def unfinished(self) -> bool:
        """Whether it is no entry yet, or no more."""
        return self.path.name.startswith(".")

    @property
    def dataset(self) -> str:
        """`name[/config]` of a TFDS data set, or the path of a folder; empty when it is damaged."""
        return str(self.key.get("name", "")).removesuffix(" without labels")

    @property
    def folder_gone(self) -> bool:
        """Whether it was made of a folder that is not there any more."""
        if not self.dataset.startswith("/") or "\\" in self.dataset:  # what is escaped is no path
            return False
        try:
            return is_gone(self.dataset)
        except (OSError, ValueError):  # closed to us
            return False

    @property
    def building(self) -> bool:
        """Whether a process is at work on it."""
        match = _HIDDEN.fullmatch(self.path.name)
        return match is not None and self._held(self.path.parent / "locks" / match["name"])

    @property
    def in_use(self) -> bool:
        """Whether a process trains on it."""
        return self._held(self.path / "entry.json")

    def _held(self, lock: Path) -> bool:
        free = is_free(lock)
        return not free if free is not None else time.time() - self.used < _UNKNOWN_DAYS * _DAY

    def __str__(self) -> str:
        what = f"{self.key['name']} {self.key['split']}" if self.key else self.path.name
        return f"{what} ({human_bytes(self.bytes)})"


@dataclass(frozen=True)
class FoundOut:
    """A file beside the entries of what was found out about data once: an index of a shard, a survey of images."""

    path: Path
    bytes: int

    def is_of(self, names: Collection[str]) -> bool:
        """Whether it is an index of a shard of one of the data sets `names`: of the file, folder or pattern."""
        shard = str(stored_facts(self.path).get("of", ""))
        return bool(shard) and any(
            shard == name or shard.startswith(f"{name}/") or (is_pattern(name) and shard in expand(name))
            for name in names
        )


@dataclass(frozen=True)
class Cleared:
    """What `clear` has done."""

    count: int
    """Of splits.
    found_out: of the files beside them."""
    found_out: int
    bytes: int
    """Of both."""
    kept: tuple[str, ...]
    """What could not be removed, and why."""


def list_entries() -> list[Path]:
    """Every entry of the cache, whole or damaged, by name."""
    return [path for path in _listed() if _ENTRY.fullmatch(path.name)]


def stored() -> list[Stored]:
    """Everything that lies in the cache, by name."""
    return [
        Stored(path, entry_key(path) if not path.is_symlink() else {}, *_size_and_use(path))
        for path in _listed()
        if _ENTRY.fullmatch(path.name) or _HIDDEN.fullmatch(path.name)
    ]


def _listed() -> list[Path]:
    try:
        return sorted(path for path in cache_root().iterdir() if path.is_symlink() or path.is_dir())
    except OSError:
        return []


def found_out(names: Collection[str] = ()) -> list[FoundOut]:
    """Every file of what was found out about data, by its place; with `names`, the indices of those data sets."""
    found: list[FoundOut] = []
    for kind in (INDICES, SURVEYS):
        with contextlib.suppress(OSError):  # there is no such folder, or it is closed to us
            found += [FoundOut(path, path.lstat().st_size) for path in sorted(cache_folder(kind).iterdir())]
    return [item for item in found if not names or item.is_of(names)]


def _size_and_use(path: Path) -> tuple[int, float]:
    size, used = 0, 0.0
    with contextlib.suppress(OSError):
        used = path.lstat().st_mtime
        if not path.is_symlink():
            stats = [file.lstat() for file in path.iterdir()]
            size = sum(stat.st_size for stat in stats)
            used = max([used, *(stat.st_mtime for stat in stats)])
    with contextlib.suppress(OSError):
        used = (path / "entry.json").lstat().st_mtime
    return size, used


def size_limit(taken: int) -> int:
    """The most bytes that the cache may take; `taken` are those it takes.

    Raises:
        DataError: `SIMO2_CACHE_SIZE` is no size.
    """
    given = os.environ.get(SIZE_VARIABLE, "").strip()
    if not given:
        return min(_MOST, int(_SHARE * (disk_free(cache_root()) + taken)))
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)\s*(?:([kmgt]?)b?)", given.lower())
    if match is None:
        raise DataError(f"{SIZE_VARIABLE} is {given!r}; it must be a size such as 50GB or 500MB.")
    return int(float(match[1]) * 1000 ** " kmgt".index(match[2] or " "))


def room() -> int:
    """Bytes that a new entry may take, once everything that may be removed for it is."""
    everything = stored()
    taken = sum(item.bytes for item in everything)
    spare = sum(item.bytes for item in everything if _may_go(item))
    return max(0, min(size_limit(taken) - taken, disk_free(cache_root())) + spare)


def require_room(folder: Path, needed: int, report: Report) -> None:
    """Makes room for `needed` bytes in `folder` of the cache, and says what was removed for it.

    Raises:
        NoRoom: nothing that may be removed would make enough.
    """
    _sweep(report)
    others = [item for item in stored() if item.path != folder]
    taken = sum(item.bytes for item in others)
    limit = size_limit(taken)
    short = max(taken + needed - limit, needed - disk_free(folder))
    if short > 0:
        old = sorted((item for item in others if _may_go(item)), key=lambda item: (not item.folder_gone, item.used))
        if sum(item.bytes for item in old) >= short:
            short = _evict(old, short, report)
    if short <= 0:
        return
    free, cure = disk_free(folder), "move the cache with SIMO2_CACHE=/other/disk, or use a smaller --image-size."
    if needed > free:
        raise NoRoom(
            f"decoding needs {human_bytes(needed)} in {folder.parent}, which has {human_bytes(free)} free. "
            f"Free some space, {cure}"
        )
    raise NoRoom(
        f"decoding needs {human_bytes(needed)} in {folder.parent}, which may take {human_bytes(limit)} in all and has "
        f"{human_bytes(taken)} in use. Give it more with {SIZE_VARIABLE}, {cure}"
    )


def _may_go(item: Stored) -> bool:
    return not item.unfinished and not item.in_use


def _evict(old: list[Stored], short: int, report: Report) -> int:
    for item in old:
        if short <= 0:
            break
        if _removed(item):
            short -= item.bytes
            why = "its folder is gone" if item.folder_gone else f"last used {_ago(item.used)}"
            as_notes(report)(f"removed from the cache to make room: {item}, {why}")
    return short


def remove_older(path: Path, key: Mapping[str, Any], report: Report) -> None:
    """Removes what the entry at `path` replaces: other states of the same folder, decoded in the same way."""
    if not str(key["name"]).startswith("/"):
        return  # of a TFDS data set two versions may be in use
    for item in stored():
        if item.path != path and not item.unfinished and item.key and _same_but_state(item.key, key):
            with contextlib.suppress(OSError):
                retire(item.path)
                as_notes(report)(f"removed from the cache, since its folder has changed: {item}")


def _same_but_state(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    names = {*one, *other} - {"identity", "decoder"}
    return one.get("identity") != other.get("identity") and all(one.get(name) == other.get(name) for name in names)


def _sweep(report: Report) -> None:
    """Removes what a killed build has left, and entries of folders that have long been gone."""
    for item in stored():
        left = item.unfinished and not item.building and not item.in_use
        gone = _may_go(item) and time.time() - item.used > _GONE_DAYS * _DAY and item.folder_gone
        if (left or gone) and _removed(item):
            why = "its folder is gone" if gone else "left by a build that was killed" if item.bytes else ""
            if why:
                as_notes(report)(f"removed from the cache: {item}, {why}")


def _removed(item: Stored) -> bool:
    try:
        _remove(item.path)
    except OSError:
        return False
    return True


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()  # the link alone: what it leads to is not ours
    else:
        shutil.rmtree(path)


def clear(names: tuple[str, ...] = ()) -> Cleared:
    """Deletes what lies in the cache of the data sets `names`, or everything but what is being built."""
    count, others, size, kept = 0, 0, 0, []
    for item in stored():
        if names and item.dataset not in names:
            continue
        if item.building:
            kept.append(f"{item}: it is being built")
            continue
        try:
            _remove(item.path)
        except OSError as error:
            kept.append(f"{item.path}: {error.strerror or error}")
        else:
            count, size = count + 1, size + item.bytes
    for beside in found_out(names):
        try:
            beside.path.unlink()
        except OSError as error:
            kept.append(f"{beside.path}: {error.strerror or error}")
        else:
            others, size = others + 1, size + beside.bytes
    return Cleared(count, others, size, tuple(kept))


def set_aside(path: Path) -> bool:
    """Removes the damaged entry at `path`, so that its images are decoded anew; returns whether that worked."""
    try:
        _remove(path)
    except OSError:
        return False
    return True


def _ago(when: float) -> str:
    days = int((time.time() - when) / _DAY)
    return "today" if days < 1 else f"{days} days ago" if days > 1 else "yesterday"
