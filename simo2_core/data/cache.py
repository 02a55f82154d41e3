"""Decoded once, mapped ever after: the images of one split as a class-sorted uint8 `.npy` with its facts beside it.

    CACHE/NAME-KEY/images.npy    (N, H, W, ch) uint8, sorted by class
    CACHE/NAME-KEY/digests.npy   (M, 16) uint8, the hash of each encoded image, in the order of the source
    CACHE/NAME-KEY/entry.json    its key, class sizes and names, what was skipped, size, time and hashes; its time of
                                 change says when the entry was last used
    CACHE/NAME-KEY/seen.json     which state of the source was last found to be the one that was decoded
    CACHE/.NAME-KEY.PID          an entry that is being built, or that waits for its last reader to be removed
    CACHE/locks/NAME-KEY         held while the entry is built

An entry appears by one rename, so it is whole or absent. What decides its content is hashed into KEY. Links are
never followed: an entry, or a file of one, that is a link counts as damaged.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import weakref
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simo2_core.cache_folder import cache_folder
from simo2_core.data.damage import DAMAGE
from simo2_core.data.dataset import Note, Skipped
from simo2_core.data.locks import hold, is_free, lock
from simo2_core.data.progress import Progress, Report
from simo2_core.errors import DataError

FORMAT = 1
"""Version of the layout; part of every key."""

_WITHOUT_DIGEST = frozenset({"key", "counts", "class_names", "skipped", "bytes", "mtime_ns", "sha256"})
"""What entries say that were made before they were held against a digest of their own."""


class NoRoom(DataError):
    """The disk of the cache, or the share of it that the cache may take, is too small for an entry."""


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
    content: str | None = None
    """Hash of the hashes of all encoded images; None of an entry that was made before they were noted."""
    notes: tuple[Note, ...] = ()
    """What was chosen for the user beside what is written in it."""


class Filled(NamedTuple):
    """What an entry holds besides its images."""

    counts: NDArray[np.int64]
    """(C,) images of each class."""
    class_names: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    digests: NDArray[np.uint8]
    """(M, 16) hash of each encoded image in the order of the source, those that were skipped included."""
    stamp: str
    """`Source.stamp` from before they were read."""


def cache_root() -> Path:
    """Where the entries lie."""
    return cache_folder("datasets")


def entry_path(key: Mapping[str, Any]) -> Path:
    """Where the entry of `key` lies, whether or not it is there; `key["name"]` is for people."""
    text = json.dumps({"format": FORMAT, **key}, sort_keys=True)
    readable = re.sub(r"[^\w.-]+", "-", f"{Path(key['name']).name}-{key['split']}").strip("-.")[:60]
    return cache_root() / f"{readable}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def open_entry(path: Path, *, whole: bool = False, trusting: bool = False) -> Entry | None:
    """The entry at `path`, or None when it is absent or damaged.

    Its facts are held against their digest, size and time of the images against what was written; where the time
    differs, or with `whole`, the bytes are hashed again, so that neither a torn copy nor a flipped bit trains
    anybody. With `trusting` they are not: for listing what is there.
    """
    try:
        file = path / "images.npy"
        if path.is_symlink() or file.is_symlink():
            return None
        facts = _read_facts(path)
        stat = file.stat()
        if stat.st_size != facts["bytes"]:
            return None
        changed = stat.st_mtime_ns != facts["mtime_ns"]
        if (whole or (changed and not trusting)) and file_sha256(file) != facts["sha256"]:
            return None
        images = np.load(file, mmap_mode="r", allow_pickle=False)
        counts, names = facts["counts"], tuple(str(name) for name in facts["class_names"])
        sound = all(type(count) is int and count >= 0 for count in counts) and len(counts) == len(names)
        if not sound or images.dtype != np.uint8 or images.ndim != 4 or sum(counts) != len(images):
            return None
        skipped = tuple(Skipped(str(item["name"]), str(item["reason"])) for item in facts["skipped"])
        content = facts.get("content")
        return Entry(path, images, np.array(counts, np.int64), names, skipped, str(facts["sha256"]), content)
    except DAMAGE:
        return None


def _read_facts(path: Path) -> dict[str, Any]:
    """entry.json; raises one of `DAMAGE` when it is not what was written."""
    facts = _read_json(path / "entry.json")
    if not _is_named(facts["key"]):
        raise ValueError("no name")
    if "digest" not in facts:
        if facts.keys() != _WITHOUT_DIGEST:
            raise ValueError("no digest")
        return facts
    if facts.pop("digest") != _digest_of(facts):
        raise ValueError("another digest")
    return facts


def _is_named(key: Mapping[str, Any]) -> bool:
    """Whether a key has the names that every key has, fit to be printed."""
    return all(isinstance(key[name], str) and key[name].isprintable() for name in ("name", "split"))


def _read_json(path: Path) -> dict[str, Any]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor) as file:
        facts = json.load(file)
    if not isinstance(facts, dict):
        raise ValueError("no object")
    return facts


def _digest_of(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def in_use(entry: Entry) -> Entry:
    """`entry`, noted as used now and kept from being evicted for as long as its images are mapped.

    On a disk of the network the images of a file that another machine has removed would end this process.
    """
    with contextlib.suppress(OSError):  # a cache that may only be read
        os.utime(entry.path / "entry.json")
    descriptor = hold(entry.path / "entry.json")
    if descriptor is not None:
        weakref.finalize(getattr(entry.images, "_mmap"), os.close, descriptor)  # noqa: B009 (numpy declares it nowhere)
    return entry


def build_entry(
    key: Mapping[str, Any],
    fill: Callable[[Path], Filled],
    *,
    name: str,
    report: Report,
    stale: Entry | None = None,
) -> Entry:
    """The entry of `key`, built by `fill` unless it is sound already; of several processes one builds.

    Args:
        fill: writes images.npy into the folder it is given.
        name: of what is built, for people.
        report: told when another process is building the same entry.
        stale: what was found and may not be used, since its source has changed.

    Raises:
        NoRoom: the disk is full.
        DataError: the cache cannot be written.
    """
    path = entry_path(key)
    locks = path.parent / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        if locks.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "its folder of locks is a link", str(locks))
        with lock(locks / path.name, lambda: report(Progress(stage="waiting", name=name)), as_notes(report)) as alone:
            found = open_entry(path)
            if found is not None and (stale is None or _states(found) != _states(stale)):
                return in_use(found)
            for leftover in path.parent.glob(f".{path.name}.*") if alone else ():
                retire(leftover)  # of a build that was killed
            building = path.with_name(f".{path.name}.{os.getpid()}")
            building.mkdir()
            try:
                (building / "building.json").write_text(json.dumps({"key": dict(key)}))
                _seal(building, key, fill(building))
                retire(path)
                building.rename(path)
            finally:
                shutil.rmtree(building, ignore_errors=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise NoRoom(
                f"{path.parent} takes no more ({error.strerror}). Free some space, move the cache with "
                "SIMO2_CACHE=/other/disk, or use a smaller --image-size."
            ) from error
        raise DataError(
            f"the cache of decoded images cannot be written to {path.parent}: {error.strerror or error}. "
            "Check its permissions, or move the cache with SIMO2_CACHE=/other/disk."
        ) from error
    entry = open_entry(path)
    if entry is None:
        raise DataError(f"{path} was written but cannot be read back. Check the disk, or move it with SIMO2_CACHE.")
    return in_use(entry)


def _states(entry: Entry) -> tuple[str, str | None]:
    return entry.sha256, entry.content


def as_notes(report: Report) -> Callable[[str], None]:
    """Says a sentence through `report`."""
    return lambda text: report(Progress(stage="note", name=text))


def retire(path: Path) -> None:
    """Removes an entry that nobody may open any more; one that is in use is hidden, and removed with the next build.

    A link is removed, not what it leads to.

    Raises:
        OSError: it cannot be removed.
    """
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif is_free(path / "entry.json") is True:
        if path.exists():
            shutil.rmtree(path)
    elif not path.name.startswith("."):
        hidden = next(
            place
            for number in range(1, 10_000)
            if not os.path.lexists(place := path.with_name(f".{path.name}.{os.getpid()}{number:04}"))
        )
        path.rename(hidden)


def entry_key(path: Path) -> dict[str, Any]:
    """What decides the content of the entry at `path`, or of one that is half built; empty when it is damaged.

    Its `name` and `split` are strings.
    """
    for file in ("entry.json", "building.json"):
        try:
            key = _read_json(path / file)["key"]
            if _is_named(key):
                return dict(key)
        except DAMAGE:
            continue
    return {}


def store_facts(path: Path, facts: Mapping[str, Any]) -> None:
    """Puts a small JSON file beside an entry, whole or not at all. A cache that cannot be written stays as it is."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)  # never written through a link that somebody left there
        with temporary.open("x") as file:
            json.dump({**facts, "digest": _digest_of(facts)}, file)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def stored_facts(path: Path) -> dict[str, Any]:
    """What `store_facts` wrote, or an empty dict where it is absent or damaged."""
    try:
        facts = _read_json(path)
        return facts if facts.pop("digest") == _digest_of(facts) else {}
    except DAMAGE:
        return {}


def file_sha256(path: Path) -> str:
    """Hash of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_all(digests: NDArray[np.uint8]) -> str:
    """`Entry.content` of (M, 16) hashes."""
    return hashlib.sha256(np.ascontiguousarray(digests).tobytes()).hexdigest()


def stored_digests(entry: Entry) -> NDArray[np.uint8] | None:
    """(M, 16) hash of each encoded image that `entry` was made from, in the order of its source; None if unknown."""
    try:
        digests = np.load(entry.path / "digests.npy", allow_pickle=False)
        return digests if digest_of_all(digests) == entry.content else None
    except DAMAGE:
        return None


def _seal(folder: Path, key: Mapping[str, Any], filled: Filled) -> None:
    file = folder / "images.npy"
    np.save(folder / "digests.npy", filled.digests)
    with file.open("rb+") as handle:
        os.fsync(handle.fileno())
    facts = {
        "key": dict(key),
        "counts": filled.counts.tolist(),
        "class_names": list(filled.class_names),
        "skipped": [asdict(item) for item in filled.skipped],
        "bytes": file.stat().st_size,
        "mtime_ns": file.stat().st_mtime_ns,
        "sha256": file_sha256(file),
        "content": digest_of_all(filled.digests),
    }
    with (folder / "entry.json").open("w") as handle:
        json.dump({**facts, "digest": _digest_of(facts)}, handle)
        handle.flush()
        os.fsync(handle.fileno())
    store_facts(folder / "seen.json", {"stamp": filled.stamp})
    (folder / "building.json").unlink()
