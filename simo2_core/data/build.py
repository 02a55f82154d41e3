"""Builds an entry of the cache: decides the size of its images and decodes every record into its class-sorted row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.cache import (
    Entry,
    Filled,
    NoRoom,
    as_notes,
    build_entry,
    digest_of_all,
    entry_key,
    entry_path,
    in_use,
    open_entry,
    store_facts,
    stored_facts,
)
from simo2_core.data.dataset import Note, Skipped, are_decoded
from simo2_core.data.decode import Rule, backend, can_decode, decoders, fit_pixels
from simo2_core.data.headers import settle_rule
from simo2_core.data.on_demand import OnDemandImages
from simo2_core.data.pixels import drop_rows, make_file
from simo2_core.data.pool import chunks, cpus, run_tasks
from simo2_core.data.progress import Progress, Report
from simo2_core.data.sources.source import Source, Split
from simo2_core.data.split import class_order
from simo2_core.data.upkeep import remove_older, require_room
from simo2_core.data.worker import DecodeJob, DecodeTask, DigestJob
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError

NOTES = "notes.json"
"""Beside the images of an entry: what was chosen for the user when it was made."""
_TASK = 500
"""Images a task: long enough to hide its overhead, short enough for a smooth progress bar."""
_WORTH_A_PROCESS = 2000
"""Below so many images starting worker processes costs more than it saves."""


def cached_entry(
    source: Source, split: str, config: DataConfig, *, rule: Rule | None, report: Report, workers: int | None = None
) -> Entry:
    """The decoded images of a split, from the cache or built into it; decoded on demand where its disk is too small.

    Args:
        rule: the size that the training split has settled; None for the training split itself.
        workers: processes that decode; None for one per processor.

    Raises:
        DataError: the split is missing, unlabelled or unreadable.
    """
    decoder = rule.decoder if rule is not None else choose_decoder(source, config)
    if not can_decode(decoder) and open_entry(entry_path(entry_key_of(source, split, config, rule, decoder))) is None:
        decoder = backend()
        rule = None if rule is None else replace(rule, decoder=decoder)
    key, name = entry_key_of(source, split, config, rule, decoder), f"{source.name} {split}"
    path = entry_path(key)
    entry = open_entry(path)
    if entry is not None and is_of_now(entry, source, split, report, workers):
        entry = in_use(entry)
    else:
        builder = _Builder(source, split, config, rule, decoder, report, workers)
        try:
            entry = build_entry(key, builder.fill, name=name, report=report, stale=entry)
        except NoRoom as error:
            as_notes(report)(f"the decoded images of {name} are not kept: {error}")
            return builder.stream(path)
        remove_older(path, key, report)
    if config.strict and entry.skipped:
        first = "; ".join(f"{item.name}: {item.reason}" for item in entry.skipped[:3])
        raise DataError(
            f"{len(entry.skipped)} files of {source.name} cannot be read ({first}). "
            "Repair or remove them, or leave out --strict to skip them."
        )
    return entry


def is_of_now(entry: Entry, source: Source, split: str, report: Report, workers: int | None = None) -> bool:
    """Whether `entry`, whose key is that of the source, was decoded from what the source holds.

    Names, sizes and times are in the key, but tar and rsync give new files the time of old ones. What they cannot
    give is the time of change that the system notes; where that differs, everything is read and hashed.
    """
    stamp = source.stamp(split)
    seen = entry.path / "seen.json"
    if entry.content is None or stored_facts(seen).get("stamp") == stamp:
        return True
    if digest_of_all(digests_of(source, split, report, workers)) != entry.content:
        return False
    store_facts(seen, {"stamp": stamp})
    return True


def digests_of(source: Source, split: str, report: Report, workers: int | None = None) -> NDArray[np.uint8]:
    """(M, 16) the hash of each encoded image of a split, in the order of the source.

    Raises:
        DataError: the split cannot be read.
    """
    records = source.split(split).records
    tasks = [(begin, records.take(np.arange(begin, end))) for begin, end in chunks(len(records), _TASK)]
    digests, name, done = np.zeros((len(records), 16), np.uint8), f"{source.name} {split}", 0
    for first, some in run_tasks(DigestJob(), tasks, _workers(len(records), workers)):
        digests[first : first + len(some)] = some
        done += len(some)
        report(Progress(stage="verify", name=name, done=done, total=len(records)))
    return digests


def _workers(images: int, given: int | None) -> int:
    if given is not None:
        return given
    return cpus() if images >= _WORTH_A_PROCESS else 0


def entry_in_memory(split: Split, config: DataConfig, name: str) -> Entry:
    """The images of a split that are pixels already, sorted by class; nothing is cached."""
    assert split.pixels is not None
    order = labelled_order(split, config, name)
    images = np.ascontiguousarray(_as_asked(split.pixels[order], config))
    counts = np.bincount(split.labels, minlength=len(split.class_names)).astype(np.int64)
    return Entry(Path(), images, counts, split.class_names, (), hashlib.sha256(images.tobytes()).hexdigest())


def _as_asked(images: NDArray[np.uint8], config: DataConfig) -> NDArray[np.uint8]:
    """Pixels (N, H, W, ch) with the size and the channels that the settings ask for."""
    height, width, channels = images.shape[1:]
    side, wanted = config.image_size, config.channels or channels
    rule = Rule(height=side or height, width=side or width, channels=wanted, resize=config.resize)
    if rule.shape == images.shape[1:]:
        return images
    made = np.empty((len(images), *rule.shape), np.uint8)
    for row, image in enumerate(images):
        made[row] = fit_pixels(image, rule)
    return made


def notes_of(entry: Entry) -> tuple[Note, ...]:
    """What was chosen for the user when an entry was made: the size of its images, say."""
    if not are_decoded(entry.images):
        return cast(OnDemandImages, entry.images).notes
    return tuple(Note(**item) for item in stored_facts(entry.path / NOTES).get("notes", ()))


def decoder_of(entry: Entry) -> str:
    """What decoded the images of an entry."""
    return str(entry_key(entry.path).get("decoder") or backend())


def choose_decoder(source: Source, config: DataConfig) -> str:
    """What decodes JPEG files: what is best here, but what the training images in the cache were decoded by."""
    for decoder in decoders():
        if (entry_path(entry_key_of(source, config.train_split, config, None, decoder)) / "entry.json").exists():
            return decoder
    return backend()


def entry_key_of(
    source: Source, split: str, config: DataConfig, rule: Rule | None, decoder: str = ""
) -> Mapping[str, Any]:
    """Everything that decides the bytes of an entry."""
    key: dict[str, Any] = {
        "name": source.origin,
        "split": split,
        "identity": source.identity(split),
        "features": [config.image_key, config.label_key],
        "size": config.image_size if rule is None else [rule.height, rule.width],
        "channels": config.channels if rule is None else rule.channels,
        "resize": config.resize,
        "decoder": decoder or backend(),
        "order": config.split_seed,
    }
    if rule is None and config.class_order == "natural" and not (config.image_size and config.channels):
        key["headers"] = "all"  # runs of before 2026-11-28 keep the entries whose shape 64 headers settled
    if config.min_images:
        key["min_images"] = [config.min_images, config.train_split]
    changed = {"background": "white", "depth": 16}
    return key | {name: getattr(config, name) for name, usual in changed.items() if getattr(config, name) != usual}


class _Builder:
    """Fills the folder of an entry."""

    def __init__(
        self,
        source: Source,
        split: str,
        config: DataConfig,
        rule: Rule | None,
        decoder: str,
        report: Report,
        workers: int | None,
    ) -> None:
        self._source, self._split, self._config, self._rule = source, split, config, rule
        self._decoder = decoder
        self._report, self._workers = report, workers

    def fill(self, folder: Path) -> Filled:
        """Writes images.npy; returns what else the entry holds."""
        stamp = self._source.stamp(self._split)
        split = self._source.split(self._split)
        rule, notes = self._settle(split)
        store_facts(folder / NOTES, {"notes": [asdict(note) for note in notes]})
        classes = len(split.class_names)
        order = labelled_order(split, self._config, self._source.name)
        shape = (len(order), *rule.shape)
        require_room(folder, int(np.prod(shape, dtype=np.int64)), self._report)
        make_file(folder / "images.npy", shape)
        digests, bad = self._decode(split, rule, order, folder / "images.npy")
        counts = np.bincount(split.labels, minlength=classes).astype(np.int64)
        if bad:
            rows = np.array(sorted(row for row, _, _ in bad))
            counts -= np.bincount(split.labels[order[rows]], minlength=classes)
            _refuse_lost_classes(counts, split, self._source.name, bad)
            drop_rows(folder / "images.npy", rows)
        skipped = tuple(Skipped(name, reason) for _, name, reason in sorted(bad, key=lambda item: item[1]))
        return Filled(counts, split.class_names, skipped, digests, stamp)

    def stream(self, path: Path) -> Entry:
        """The split without a cache: an entry whose images are decoded when they are asked for."""
        split = self._source.split(self._split)
        rule, notes = self._settle(split)
        order = labelled_order(split, self._config, self._source.name)
        images = OnDemandImages(split, order, rule, self._workers)
        images.notes = notes
        counts = np.bincount(split.labels, minlength=len(split.class_names)).astype(np.int64)
        identity = self._source.identity(self._split)
        return Entry(path, cast(NDArray[np.uint8], images), counts, split.class_names, (), identity)

    def _settle(self, split: Split) -> tuple[Rule, tuple[Note, ...]]:
        if self._rule is not None:
            return self._rule, ()
        name = self._source.name
        return settle_rule(split, self._config, name, decoder=self._decoder, workers=self._workers)

    def _decode(
        self, split: Split, rule: Rule, order: NDArray[np.int64], path: Path
    ) -> tuple[NDArray[np.uint8], list[tuple[int, str, str]]]:
        """The hashes of all records in their order, and those that cannot be read: row, name and reason of each."""
        target = np.empty_like(order)
        target[order] = np.arange(len(order))
        # in the order of the source, so that the disk is read front to back; the rows written jump instead
        tasks = [
            DecodeTask(split.records.take(np.arange(begin, end)), target[begin:end])
            for begin, end in chunks(len(order), _TASK)
        ]
        digests, bad = np.zeros((len(order), 16), np.uint8), []
        name, done = f"{self._source.name} {split.name}", 0
        self._report(Progress(stage="decode", name=name, done=0, total=len(order)))
        job = DecodeJob(path, rule, split.transposed, hashing=True)
        for answer in run_tasks(job, tasks, _workers(len(order), self._workers)):
            digests[order[answer.rows]] = answer.digests
            bad += answer.bad
            done = min(done + _TASK, len(order))
            self._report(Progress(stage="decode", name=name, done=done, total=len(order)))
        return digests, bad


def labelled_order(split: Split, config: DataConfig, name: str) -> NDArray[np.int64]:
    """`class_order` of a split; raises DataError when it is empty or has images without a label."""
    if not len(split.records):
        raise DataError(f"the split {split.name!r} of {name} is empty. Choose another with --train-split.")
    unlabelled = int((split.labels < 0).sum())
    if unlabelled:
        raise DataError(
            f"{unlabelled:,} of {len(split.labels):,} images of {name} {split.name!r} have no label. "
            "Choose labelled splits with --train-split and --test-split (hold-out takes some of train); those without "
            f"labels can be trained on beside them: --labels none --views-split {split.name}."
        )
    return class_order(split.labels, len(split.class_names), split_seed=config.split_seed)


def names_of_rows(split: Split, config: DataConfig, name: str, entry: Entry) -> list[str]:
    """The name of each row of the entry of a split, unique in its source."""
    given = split.records.names()
    return [split.prefix + given[row] for row in records_of_rows(split, config, name, entry)]


def records_of_rows(split: Split, config: DataConfig, name: str, entry: Entry) -> list[int]:
    """Which record of a split each row of its entry is made from."""
    given, left_out = split.records.names(), {item.name for item in entry.skipped}
    return [row for row in labelled_order(split, config, name).tolist() if given[row] not in left_out]


def _refuse_lost_classes(counts: NDArray[np.int64], split: Split, name: str, bad: list[tuple[int, str, str]]) -> None:
    lost = [
        split.class_names[c]
        for c in np.flatnonzero((counts == 0) & (np.bincount(split.labels, minlength=len(counts)) > 0))
    ]
    if lost:
        raise DataError(
            f"no image of the class {lost[0]!r} of {name} can be read ({bad[0][1]}: {bad[0][2]}). "
            "Repair its files or remove its folder."
        )
