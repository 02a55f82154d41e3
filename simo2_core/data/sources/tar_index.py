"""What lies where in a shard of WebDataset, found once and kept: images are then read in any order.

Nothing is ever unpacked. A shard that holds a link, or a path that climbs out of it, is refused all the same: it is not
what it seems.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simo2_core.cache_folder import cache_folder
from simo2_core.data.cache import store_facts, stored_facts
from simo2_core.data.damage import DAMAGE
from simo2_core.data.pool import cpus, run_tasks
from simo2_core.data.sources.folder_scan import LEFTOVERS, is_image_name, printable
from simo2_core.data.sources.labelled import LABEL_KEYS
from simo2_core.errors import DataError

INDICES = "indices"
"""The folder of the cache that they are kept in."""
_FORMAT = 1
"""Of what is kept."""
_LARGEST_LABEL = 1 << 20
"""Bytes of a member that is read for its label."""
_WORTH_PROCESSES = 1 << 30
"""Bytes of shards below which reading them here is quicker than starting processes: 0.1 ms a member."""
_SEVERAL = re.compile(r"\d+([ ,;]+\d+)+")
_BLOCK = 512


@dataclass(frozen=True)
class TarShard:
    """The images of one file, in their order."""

    keys: Sequence[str]
    offsets: Sequence[int]
    sizes: Sequence[int]
    labels: Sequence[object]
    """As they are written: texts of `cls`, values of JSON; None where there are none."""
    label_from: str
    """What the labels were taken from: `cls`, or `label of json`; empty where there are none."""
    bare: int
    """Samples without an image."""


@dataclass
class _Sample:
    """The members of one key."""

    key: str
    images: dict[str, tuple[int, int]]
    label: object = None
    label_from: str = ""


def index_of(path: Path, image_key: str | None, label_key: str | None) -> TarShard:
    """The index of a shard, kept or made.

    Raises:
        DataError: it is torn, holds what a shard does not, or a sample has several images.
    """
    place, state = _kept(path, image_key, label_key)
    known = stored_facts(place)
    if known.get("state") == state:
        return TarShard(**known["shard"])
    made = _read(path, state[1], image_key, label_key)
    with contextlib.suppress(OSError):  # a cache that cannot be written
        place.parent.mkdir(parents=True, exist_ok=True)
        store_facts(place, {"state": state, "of": str(path), "shard": vars(made)})
    return made


def make_indices(paths: Sequence[Path], image_key: str | None, label_key: str | None) -> Iterator[int]:
    """Makes those that are not kept, by several processes where that is worth it; yields the images of each."""
    missing = [path for path in paths if not _kept(path, image_key, label_key)[0].exists()]
    worth = len(missing) > 1 and sum(path.stat().st_size for path in missing) > _WORTH_PROCESSES
    yield from run_tasks(IndexJob(image_key, label_key), missing, cpus() if worth else 0)


@dataclass(frozen=True)
class IndexJob:
    """Makes and keeps the index of a shard, for `pool.run_tasks`; a task is its path."""

    image_key: str | None
    label_key: str | None

    def run(self, task: Path) -> int:
        """How many images it has."""
        return len(index_of(task, self.image_key, self.label_key).keys)


def _kept(path: Path, image_key: str | None, label_key: str | None) -> tuple[Path, list[int]]:
    """Where the index of a shard is kept, and of which state of it it has to be."""
    try:
        stat = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check the path and its permissions.") from None
    which = repr([str(path), image_key, label_key])
    place = cache_folder(INDICES) / f"{hashlib.sha256(which.encode()).hexdigest()[:32]}.json"
    return place, [_FORMAT, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _read(path: Path, size: int, image_key: str | None, label_key: str | None) -> TarShard:
    samples: list[_Sample] = []
    seen: set[str] = set()
    try:
        with path.open("rb") as file:
            for name, offset, length in _members(path, size):
                folder, _, base = name.rpartition("/")
                stem, _, kind = base.partition(".")
                key = f"{folder}/{stem}" if folder else stem
                if not samples or samples[-1].key != key:
                    if key in seen:
                        raise DataError(
                            f"{path} has the key {printable(key)!r} in two places. Keep files of a key together."
                        )
                    seen.add(key)
                    samples.append(_Sample(key, {}))
                _take(samples[-1], kind.lower(), offset, length, file.fileno(), image_key, label_key)
    except UnicodeDecodeError:
        raise DataError(f"{path} has a label that is no text in UTF-8. Choose another with --label-key.") from None
    except (*DAMAGE, tarfile.TarError, EOFError) as error:
        line = " ".join(str(error).split())[:150] or type(error).__name__
        raise DataError(f"{path} is no tar file, or is damaged ({line}). Fetch it again.") from None
    for sample in samples:
        if len(sample.images) > 1:
            kinds = ", ".join(map(printable, sample.images))
            where = f"the sample {printable(sample.key)!r} of {path}"
            raise DataError(f"{where} has several images: {kinds}. Choose one with --image-key.")
    whole = [sample for sample in samples if sample.images]
    places = [next(iter(sample.images.values())) for sample in whole]
    return TarShard(
        keys=[printable(sample.key) for sample in whole],
        offsets=[offset for offset, _ in places],
        sizes=[length for _, length in places],
        labels=[sample.label for sample in whole],
        label_from=next((sample.label_from for sample in whole if sample.label_from), ""),
        bare=len(samples) - len(whole),
    )


def _take(
    sample: _Sample, kind: str, offset: int, length: int, file: int, image_key: str | None, label_key: str | None
) -> None:
    """Takes what is wanted of one member."""
    if kind == image_key or (image_key is None and is_image_name(f".{kind}")):
        sample.images[kind] = offset, length
        return
    plain = kind == label_key or (label_key is None and kind in LABEL_KEYS)
    if (not plain and kind != "json") or length > _LARGEST_LABEL:
        return
    text = os.pread(file, length, offset).decode()
    if plain:
        text = text.strip()
        several = _SEVERAL.fullmatch(text)
        sample.label, sample.label_from = (re.findall(r"\d+", text) if several else text or None), kind
        return
    if sample.label is not None:
        return
    facts: Any = json.loads(text)
    keys = LABEL_KEYS if label_key is None else (label_key,)
    found = next((key for key in keys if isinstance(facts, dict) and facts.get(key) is not None), None)
    if found is not None:
        sample.label, sample.label_from = facts[found], f"{found} of json"


def _members(path: Path, size: int) -> Iterator[tuple[str, int, int]]:
    """Name, first byte and length of each file; raises DataError for anything else, and where the end is missing."""
    with tarfile.open(path, "r:") as tar:
        last = -1
        while (member := tar.next()) is not None:
            vars(tar)["members"].clear()  # a million of them would fill the memory
            if member.size < 0 or member.offset <= last or member.offset_data + member.size > size:
                raise ValueError(f"a member at byte {member.offset:,} reaches beyond its end")
            last = member.offset
            name = member.name.removeprefix("./")
            shown = printable(member.name)
            if member.name.startswith("/") or ".." in name.split("/"):
                raise DataError(f"{path} holds {shown}, a path that leads out of it. Do not trust it, or pack it anew.")
            if member.isdir():
                continue
            if not member.isfile() or member.issparse():
                raise DataError(f"{path} holds {shown}, which is a link or no file. Pack files: tar --dereference.")
            pieces = name.split("/")
            if not any(piece.startswith(".") or piece in LEFTOVERS for piece in pieces):
                yield name, member.offset_data, member.size
        end = tar.offset
    with path.open("rb") as file:
        file.seek(end)
        mark = file.read(_BLOCK)
    if len(mark) < _BLOCK or any(mark):
        raise ValueError(f"it ends at byte {end:,} without its end mark")
