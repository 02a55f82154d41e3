"""What is on disk, held against what was written: prepared records by their checksums, decoded images by their hash."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from simo2_core.data.build import digests_of
from simo2_core.data.cache import Entry, digest_of_all, entry_key, open_entry, stored_digests
from simo2_core.data.damage import DAMAGE
from simo2_core.data.progress import Progress, Report, silent
from simo2_core.data.sources.anew import prepare_anew
from simo2_core.data.sources.open import open_on_disk
from simo2_core.data.sources.place import is_gone
from simo2_core.data.sources.prepared import Prepared
from simo2_core.data.sources.shards import read_shard
from simo2_core.data.sources.source import Source, WithoutLabels
from simo2_core.data.sources.tfrecord import open_tfrecord
from simo2_core.data.upkeep import set_aside
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError

_ANEW = "decoded again at the next use"


@dataclass(frozen=True)
class Verified:
    """What was found of one prepared data set, or of one entry of the cache."""

    name: str
    path: Path
    problems: tuple[str, ...] = ()
    note: str = ""
    """What is no fault and good to know."""


def verify_prepared(prepared: Prepared, report: Report = silent) -> list[str]:
    """What is wrong with a prepared data set: shards that are missing, torn, damaged, or hold too few records.

    Every record is read and held against its checksum.
    """
    if not prepared.readable:
        return [f"it is stored as {prepared.format}, which cannot be read without TensorFlow"]
    try:
        info = json.loads((prepared.path / "dataset_info.json").read_text())
    except DAMAGE as error:
        return [f"dataset_info.json cannot be read: {error}"]
    problems, done = [], 0
    for split in info["splits"]:
        lengths = [int(length) for length in split.get("shardLengths", ())]
        for number, length in enumerate(lengths):
            path = (
                prepared.path / f"{prepared.name}-{split['name']}.{prepared.format}-{number:05d}-of-{len(lengths):05d}"
            )
            wrong = _verify_shard(prepared.format, path, length)
            problems += [f"{path.name} {wrong}"] if wrong else []
            done += length
            total = sum(prepared.splits.values())
            report(Progress(stage="verify", name=prepared.full_name, done=done, total=total))
    return problems


def _verify_shard(format: str, path: Path, length: int) -> str:
    """What is wrong with one file that should hold `length` records; empty when nothing is."""
    if not path.is_file():
        return f"is missing. {prepare_anew(path)}"
    try:
        for _ in read_shard(format, str(path), range(length)):
            pass
        damaged = list(open_tfrecord(str(path)).damaged()) if format == "tfrecord" else []
    except DataError as error:
        return str(error).removeprefix(str(path)).strip()
    if not damaged:
        return ""
    more = f", nor do {len(damaged) - 1:,} more" if len(damaged) > 1 else ""
    return f"is damaged: record {damaged[0]:,} does not match its checksum{more}. {prepare_anew(path)}"


def verify_entry(path: Path, data_dir: str | None, report: Report = silent) -> Verified:
    """What is wrong with an entry of the cache; one that is damaged or out of date is removed.

    Its source is read again: images that were replaced by others of the same size and time are found here.
    """
    key = entry_key(path)
    name = f"{key['name']} {key['split']}, decoded" if key else path.name
    entry = open_entry(path, whole=True)
    if entry is None or not key:
        return Verified(name, path, (f"damaged: {_removed(path)}",))
    try:
        changed, note = _held_against_source(entry, key, data_dir, report)
    except DataError as error:
        return Verified(name, path, note=f"its source cannot be read ({error})")
    if changed:
        return Verified(name, path, (f"{changed}: {_removed(path)}",))
    return Verified(name, path, note=note)


def _removed(path: Path) -> str:
    return f"removed, and {_ANEW}" if set_aside(path) else "it cannot be removed, check its permissions"


def _held_against_source(entry: Entry, key: dict[str, object], data_dir: str | None, report: Report) -> tuple[str, str]:
    """What of the source has changed under the same names, sizes and times; and a note."""
    dataset, split = str(key["name"]).removesuffix(" without labels"), str(key["split"])
    if dataset.startswith("/") and is_gone(dataset):
        return "", "its folder is gone"
    features = key.get("features")
    image_key, label_key = features if isinstance(features, list) and len(features) == 2 else (None, None)
    config = DataConfig(dataset=dataset, data_dir=data_dir, image_key=image_key, label_key=label_key)
    least = key.get("min_images")
    if isinstance(least, list) and len(least) == 2:
        config = replace(config, min_images=int(least[0]), train_split=str(least[1]))
    for order in ("natural", "alphabetical"):
        source = open_on_disk(replace(config, class_order=order))
        if source is None:
            return "", "what it was decoded from is not here"
        source = source if dataset == key["name"] else WithoutLabels(source)
        if source.identity(split) == key.get("identity"):
            break
    else:
        return "", f"of another state of its source, which is {_ANEW}"
    if entry.content is None:
        return "", ""
    return _changed(entry, source, split, report), ""


def _changed(entry: Entry, source: Source, split: str, report: Report) -> str:
    now = digests_of(source, split, report)
    if digest_of_all(now) == entry.content:
        return ""
    before = stored_digests(entry)
    if before is None or len(before) != len(now):
        return "its source holds other images now"
    rows = np.flatnonzero((before != now).any(axis=1))
    names = source.split(split).records.take(rows[:3]).names()
    more = ", …" if len(rows) > 3 else ""
    return f"{len(rows):,} of {len(now):,} images were replaced by others since ({', '.join(names)}{more})"
