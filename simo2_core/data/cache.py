"""Decoded once, mapped ever after: the images of one split as a class-sorted uint8 `.npy` with its facts beside it.

    CACHE/NAME-KEY/images.npy    (N, H, W, ch) uint8, sorted by class
    CACHE/NAME-KEY/entry.json    its key, class sizes and names, what was skipped, size, time and hash of images.npy
    CACHE/locks/NAME-KEY         held while the entry is built

An entry appears by one rename, so it is whole or absent. What decides its content is hashed into KEY.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.cache_folder import cache_folder
from simo2_core.data.dataset import Skipped
from simo2_core.data.placement import disk_free, human_bytes
from simo2_core.errors import DataError
from simo2_core.file_lock import lock_after_others, lock_now

FORMAT = 1
"""Version of the layout; part of every key."""


class NoRoom(DataError):
    """The disk of the cache is too small for an entry."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A split as it lies in the cache."""

    path: Path
    images: NDArray[np.uint8]
    """(N, H, W, ch), mapped from disk, read only."""
    counts: NDArray[np.int64]
    """(C,) images of each class."""
    class_names: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    sha256: str
    """Of images.npy."""


def cache_root() -> Path:
    """Where the entries lie."""
    return cache_folder("datasets")


def entry_path(key: Mapping[str, Any]) -> Path:
    """Where the entry of `key` lies, whether or not it is there; `key["name"]` is for people."""
    text = json.dumps({"format": FORMAT, **key}, sort_keys=True)
    readable = re.sub(r"[^\w.-]+", "-", f"{Path(key['name']).name}-{key['split']}").strip("-")[:60]
    return cache_root() / f"{readable}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def open_entry(path: Path, *, whole: bool = False, trusting: bool = False) -> Entry | None:
    """The entry at `path`, or None when it is absent or damaged.

    Size and time of the images are compared with what was written; where the time differs, or with `whole`, the
    bytes are hashed again, so that neither a torn copy nor a flipped bit trains anybody. With `trusting` they are
    not: for listing what is there.
    """
    try:
        facts = json.loads((path / "entry.json").read_text())
        file = path / "images.npy"
        stat = file.stat()
        if stat.st_size != facts["bytes"]:
            return None
        changed = stat.st_mtime_ns != facts["mtime_ns"]
        if (whole or (changed and not trusting)) and file_sha256(file) != facts["sha256"]:
            return None
        images = np.load(file, mmap_mode="r", allow_pickle=False)
        counts = np.array(facts["counts"], np.int64)
        skipped = tuple(Skipped(**item) for item in facts["skipped"])
        names = tuple(str(name) for name in facts["class_names"])
        sound = images.dtype == np.uint8 and images.ndim == 4 and counts.sum() == len(images)
        if not sound or len(counts) != len(names):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Entry(path, images, counts, names, skipped, facts["sha256"])


def build_entry(
    key: Mapping[str, Any],
    fill: Callable[[Path], tuple[NDArray[np.int64], tuple[str, ...], tuple[Skipped, ...]]],
    *,
    waiting: Callable[[], None],
) -> Entry:
    """The entry of `key`, built by `fill` unless it is sound already; of several processes one builds.

    Args:
        fill: writes images.npy into the folder it is given; returns class sizes, class names and what it skipped.
        waiting: called once when another process is building the same entry.

    Raises:
        DataError: the cache cannot be written.
    """
    path = entry_path(key)
    try:
        (path.parent / "locks").mkdir(parents=True, exist_ok=True)
        with lock(path.parent / "locks" / path.name, waiting):
            found = open_entry(path)
            if found is not None:
                return found
            for leftover in path.parent.glob(f".{path.name}.*"):
                shutil.rmtree(leftover, ignore_errors=True)  # of a build that was killed
            building = path.with_name(f".{path.name}.{os.getpid()}")
            building.mkdir()
            try:
                _seal(building, key, *fill(building))
                if path.exists():
                    shutil.rmtree(path)
                building.rename(path)
            finally:
                shutil.rmtree(building, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"the cache of decoded images cannot be written to {path.parent}: {error.strerror or error}. "
            "Free some space, or move the cache with SIMO2_CACHE=/other/disk."
        ) from error
    entry = open_entry(path)
    if entry is None:
        raise DataError(f"{path} was written but cannot be read back. Check the disk, or move it with SIMO2_CACHE.")
    return entry


def require_room(path: Path, needed: int) -> None:
    """Raises NoRoom when the disk of the cache has less than `needed` bytes free."""
    free = disk_free(path)
    if needed > free:
        raise NoRoom(
            f"decoding needs {human_bytes(needed)} in {path}, which has {human_bytes(free)} free. "
            "Free some space, move the cache with SIMO2_CACHE=/other/disk, or use a smaller --image-size."
        )


def list_entries() -> list[Path]:
    """Every entry of the cache, whole or damaged, by name."""
    try:
        return sorted(path.parent for path in cache_root().glob("*/entry.json"))
    except OSError:
        return []


def clear(names: tuple[str, ...] = ()) -> tuple[int, int]:
    """Deletes the entries of the data sets `names`, or all; returns how many, and their bytes."""
    entries = [path for path in list_entries() if not names or entry_key(path).get("name") in names]
    size = 0
    for path in entries:
        size += sum(file.stat().st_size for file in path.iterdir())
        shutil.rmtree(path)
    return len(entries), size


def entry_key(path: Path) -> dict[str, Any]:
    """What decides the content of the entry at `path`; empty when it is damaged."""
    try:
        key = json.loads((path / "entry.json").read_text())["key"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return key if isinstance(key, dict) else {}


def store_facts(path: Path, facts: Mapping[str, Any]) -> None:
    """Puts a small JSON file beside an entry, whole or not at all. A cache that cannot be written stays as it is."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(facts))
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)


def stored_facts(path: Path) -> dict[str, Any]:
    """What `store_facts` wrote, or an empty dict."""
    try:
        facts = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def file_sha256(path: Path) -> str:
    """Hash of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seal(
    folder: Path,
    key: Mapping[str, Any],
    counts: NDArray[np.int64],
    class_names: tuple[str, ...],
    skipped: tuple[Skipped, ...],
) -> None:
    file = folder / "images.npy"
    with file.open("rb+") as handle:
        os.fsync(handle.fileno())
    facts = {
        "key": dict(key),
        "counts": counts.tolist(),
        "class_names": class_names,
        "skipped": [asdict(item) for item in skipped],
        "bytes": file.stat().st_size,
        "mtime_ns": file.stat().st_mtime_ns,
        "sha256": file_sha256(file),
    }
    with (folder / "entry.json").open("w") as handle:
        json.dump(facts, handle)
        handle.flush()
        os.fsync(handle.fileno())


@contextlib.contextmanager
def lock(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Holds the file `path` for this process alone, after calling `waiting` when another one has it.

    The kernel lets go of it when the process dies, so a lock is never left behind. On a file system without locks two
    processes may do the same work; each puts it in place whole.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            lock_now(descriptor)
        except BlockingIOError:
            waiting()
            lock_after_others(descriptor)
        yield
    finally:
        os.close(descriptor)
