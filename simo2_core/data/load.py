"""The one door to data: from a `DataConfig` to a `Dataset` ready to train on."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simo2_core.config import HOLD_OUT, DataConfig
from simo2_core.data.cache import Entry, store_facts, stored_facts
from simo2_core.data.dataset import Dataset, Part
from simo2_core.data.progress import Report, silent
from simo2_core.data.sources.digits import CLASS_NAMES, load_digits
from simo2_core.data.sources.source import Source, WithoutLabels
from simo2_core.data.split import Cut, class_order, cut_classes
from simo2_core.data.statistics import channel_histogram, mean_and_std
from simo2_core.errors import DataError
from simo2_core.paths import user_path

if TYPE_CHECKING:
    from simo2_core.data.decode import Rule


def load_dataset(config: DataConfig, *, report: Report = silent, workers: int | None = None) -> Dataset:
    """The data set that `config` names, cut into train, validation and test.

    `digits` lives in memory; everything else is decoded into the cache once and mapped from there. A TFDS data set
    that is not on disk yet is prepared first, which may download it.

    Args:
        report: told how far preparing and decoding are; what it raises stops them.
        workers: processes that decode; None for one per processor.

    Raises:
        DataError: it is missing, unreadable or unfit; the message names the cure.
    """
    if config.dataset == "digits":
        return _digits(config)
    source = open_source(config, report=report)
    return _from_source(source, config, report, workers)


def open_source(config: DataConfig, *, report: Report = silent) -> Source:
    """Where the images of `config` lie, preparing a TFDS data set that is not on disk yet.

    Raises:
        DataError: no folder and no data set of that name; the message has the nearest names.
    """
    from simo2_core.data.sources.folder import FolderSource, is_folder

    if is_folder(config.dataset):
        return FolderSource(user_path(config.dataset))
    from simo2_core.data.prepare import find_or_prepare
    from simo2_core.data.sources.tfds import TfdsSource

    prepared = find_or_prepare(config.dataset, config.data_dir, report=report)
    return TfdsSource(prepared, config.image_key, config.label_key, report)


def _digits(config: DataConfig) -> Dataset:
    if config.views_split is not None:
        raise DataError(f"digits has no split {config.views_split!r}: leave out --views-split to draw views of train.")
    images, labels = load_digits()
    order = class_order(labels, len(CLASS_NAMES), split_seed=config.split_seed)
    images = np.ascontiguousarray(images[order])
    counts = np.bincount(labels).astype(np.int64)
    cut = _cut(counts, config, CLASS_NAMES, hold_out_test=True)
    train, validation, test = _parts(images, counts, cut)
    mean, std = mean_and_std(channel_histogram(train))
    fingerprint = _fingerprint(hashlib.sha256(images.tobytes()).hexdigest(), counts, cut)
    return Dataset("digits", CLASS_NAMES, train, validation, test, mean, std, fingerprint)


def _from_source(source: Source, config: DataConfig, report: Report, workers: int | None) -> Dataset:
    from simo2_core.data.sources.folder import FolderSource

    entries = entries_of(source, config, report, workers)
    entry, names = entries["train"], entries["train"].class_names
    cut = _cut(
        entry.counts, config, names,
        hold_out_test="test" not in entries, hold_out_validation="validation" not in entries,
    )  # fmt: skip
    train, validation, test = _parts(entry.images, entry.counts, cut)
    if "validation" in entries:
        validation = _whole(entries["validation"])
    if "test" in entries:
        test = _whole(entries["test"])
    views = _views(source, config, entry, report, workers)
    mean, std = _statistics(entry, cut, train)
    used = [*entries.values(), *([views] if views else [])]
    return Dataset(
        source.name,
        names,
        train,
        validation,
        test,
        mean,
        std,
        _fingerprint(*(item.sha256 for item in used), *(item.counts for item in used), cut),
        views=None if views is None else _whole(views),
        skipped=tuple(skipped for item in used for skipped in item.skipped),
        empty_classes=source.empty_classes if isinstance(source, FolderSource) else (),
    )


def splits_of(source: Source, config: DataConfig) -> dict[str, str]:
    """By part, the split of the source that it is; a part that is not there is cut from that of train."""
    from simo2_core.data.sources.folder import FolderSource

    splits = {"train": config.train_split}
    test_split = config.test_split or _own_test_split(source, config)
    # a folder called val beside one called test says which images validate; a split of TFDS has to be asked for
    if isinstance(source, FolderSource) and "validation" in source.splits and test_split != "validation":
        splits["validation"] = "validation"
    if test_split and test_split != HOLD_OUT:
        splits["test"] = test_split
    return splits


def entries_of(
    source: Source, config: DataConfig, report: Report = silent, workers: int | None = None
) -> dict[str, Entry]:
    """The decoded images of each of `splits_of`, of train first: they settle the size of all."""
    from simo2_core.data.build import cached_entry

    entries: dict[str, Entry] = {}
    for part, split in splits_of(source, config).items():
        rule = _rule_of(entries["train"], config) if entries else None
        entries[part] = cached_entry(source, split, config, rule=rule, report=report, workers=workers)
    return entries


def _views(source: Source, config: DataConfig, train: Entry, report: Report, workers: int | None) -> Entry | None:
    from simo2_core.data.build import cached_entry

    if config.views_split is None:
        return None
    rule = _rule_of(train, config)
    return cached_entry(WithoutLabels(source), config.views_split, config, rule=rule, report=report, workers=workers)


def _rule_of(train: Entry, config: DataConfig) -> Rule:
    from simo2_core.data.decode import Rule

    height, width, channels = train.images.shape[1:]
    return Rule(height=height, width=width, channels=channels, resize=config.resize)


def _own_test_split(source: Source, config: DataConfig) -> str | None:
    """What the source offers for testing: `test`, else `validation`, which then is what papers report."""
    for split in ("test", "validation"):
        if split in source.splits and split != config.train_split:
            return split
    return None


def _cut(
    counts: NDArray[np.int64],
    config: DataConfig,
    class_names: tuple[str, ...],
    *,
    hold_out_test: bool,
    hold_out_validation: bool = True,
) -> Cut:
    return cut_classes(
        counts,
        validation_fraction=config.validation_fraction if hold_out_validation else None,
        test_fraction=config.test_fraction if hold_out_test else None,
        class_names=class_names,
    )


def _parts(images: NDArray[np.uint8], counts: NDArray[np.int64], cut: Cut) -> tuple[Part, Part, Part]:
    starts = np.cumsum(counts) - counts
    return (
        Part(images, starts, cut.train),
        Part(images, starts + cut.train, cut.validation),
        Part(images, starts + cut.train + cut.validation, cut.test),
    )


def _whole(entry: Entry) -> Part:
    return Part(entry.images, np.cumsum(entry.counts) - entry.counts, entry.counts)


def _statistics(entry: Entry, cut: Cut, train: Part) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    path = entry.path / f"train-{_fingerprint(cut)[:16]}.json"
    histogram = np.array(stored_facts(path).get("histogram", ()), np.int64)
    if histogram.shape != (train.images.shape[-1], 256):
        histogram = channel_histogram(train if isinstance(train.images, np.ndarray) else _sample(train))
        store_facts(path, {"histogram": histogram.tolist()})
    return mean_and_std(histogram)


def _sample(train: Part) -> Part:
    """The first rows of each class, a few thousand in all: a mean is not worth decoding everything on demand."""
    return Part(train.images, train.offsets, np.minimum(train.counts, max(1, 4096 // len(train.counts))))


def _fingerprint(*what: str | NDArray[np.int64] | Cut) -> str:
    digest = hashlib.sha256()
    for item in what:
        if isinstance(item, Cut):
            item = np.concatenate([item.train, item.validation, item.test])
        digest.update(item.encode() if isinstance(item, str) else item.tobytes())
    return digest.hexdigest()
