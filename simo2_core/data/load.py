"""The one door to data: from a `DataConfig` to a `Dataset` ready to train on."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simo2_core.bounds import shown
from simo2_core.data.cache import Entry
from simo2_core.data.dataset import FEW_CLASSES, SIZE_CHOSEN, DataPart, Dataset, Note, are_decoded
from simo2_core.data.fingerprint import make_fingerprint
from simo2_core.data.progress import Report, silent
from simo2_core.data.sources.open import claimant, open_source
from simo2_core.data.sources.source import Source, WithoutLabels
from simo2_core.data.split import Cut, cut_classes, unseen_classes
from simo2_core.data.statistics import mean_and_std, normalised
from simo2_core.data.survey import Survey, describe, equal_images, survey
from simo2_core.data_config import HOLD_OUT, DataConfig
from simo2_core.errors import DataError

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
    source = open_source(config, report=report)
    _refuse_few_classes(source, config)
    _refuse_shared(source, config)
    entries = entries_of(source, config, report, workers)
    entry, names = entries["train"], entries["train"].class_names
    cut = cut_classes(
        entry.counts,
        validation_fraction=config.validation_fraction if "validation" not in entries else None,
        test_fraction=config.test_fraction if "test" not in entries else None,
        class_names=names,
    )
    parts = _parts(entry.images, entry.counts, cut)
    parts |= {part: _whole(entries[part]) for part in ("validation", "test") if part in entries}
    unseen = unseen_classes(len(names), config.hold_out_classes, split_seed=config.split_seed)
    test_of_all = parts["test"]
    parts = {name: part.of_classes(~unseen) for name, part in parts.items()} if unseen.any() else parts
    seen = {
        part: survey(found, parts[part] if part == "train" else None, f"{source.name} {part}", report)
        for part, found in entries.items()
    }
    mean, std = mean_and_std(seen["train"].histogram)
    views = _views_entry(source, config, entry, report, workers)
    used = {**entries, **({"views": views} if views else {})}
    drawn = _without_evaluated(source, config, views, entries, parts) if views else None
    left_out = len(views.images) - len(drawn) if views is not None and drawn is not None else 0
    dataset = Dataset(
        source.name,
        tuple(name for name, out in zip(names, unseen, strict=True) if not out),
        **parts,
        unseen=test_of_all.of_classes(unseen) if unseen.any() else None,
        unseen_classes=tuple(name for name, out in zip(names, unseen, strict=True) if out),
        mean=mean,
        std=std,
        fingerprint=_fingerprint(source, config, used, cut, left_out, unseen),
        former=_former(used, cut) if not left_out and not unseen.any() else "",
        views=drawn,
        skipped=tuple(skipped for item in used.values() for skipped in item.skipped),
        empty_classes=source.empty_classes,
        notes=(
            *source.notes,
            *_unused(config),
            *alike(names),
            *_chosen(entry),
            *_looks(parts, entries, seen, config.background),
        ),
    )
    return normalised(dataset, config)


def splits_of(source: Source, config: DataConfig) -> dict[str, str]:
    """By part, the split of the source that it is; a part that is not there is cut from that of train."""
    splits = {"train": config.train_split}
    own = (split for split in source.roles.get("test", ()) if split != config.train_split)
    test_split = config.test_split or next(own, None)
    # a folder called val beside one called test says which images validate; a split of TFDS has to be asked for
    for split in source.roles.get("validation", ()):
        if split not in (test_split, config.train_split):
            splits["validation"] = split
            break
    if test_split and test_split != HOLD_OUT:
        splits["test"] = test_split
    return splits


def entries_of(
    source: Source, config: DataConfig, report: Report = silent, workers: int | None = None
) -> dict[str, Entry]:
    """The decoded images of each of `splits_of`, of train first: they settle the size of all."""
    from simo2_core.data.build import cached_entry, entry_in_memory

    entries: dict[str, Entry] = {}
    for part, split in splits_of(source, config).items():
        if source.in_memory:
            entries[part] = entry_in_memory(source.split(split), config, source.name)
            continue
        rule = _rule_of(entries["train"], config) if entries else None
        entries[part] = cached_entry(source, split, config, rule=rule, report=report, workers=workers)
        if rule is None and _is_too_small(entries[part], config):
            larger = replace(config, image_size=config.min_size)
            entry = cached_entry(source, split, larger, rule=None, report=report, workers=workers)
            entries[part] = replace(entry, notes=(_size_needed(entry),))
    return entries


def _is_too_small(entry: Entry, config: DataConfig) -> bool:
    """Whether a size was chosen that is smaller than the one that is needed."""
    small = not config.image_size and entry.images.shape[1] < config.min_size
    return small and any(note.code == SIZE_CHOSEN for note in _chosen(entry))


def _refuse_few_classes(source: Source, config: DataConfig) -> None:
    """Raises DataError where labels make the pairs and there are none, before anything is decoded."""
    why = next((note for note in source.notes if note.code == FEW_CLASSES), None)
    if why is not None and config.labels == "classes":
        raise DataError(f"{why.message} {why.cure}")


def _refuse_shared(source: Source, config: DataConfig) -> None:
    """Raises DataError where what is measured on is trained on."""
    splits = splits_of(source, config)
    for part, split in splits.items():
        for other in list(splits)[: list(splits).index(part)]:
            shared = source.shared(splits[other], split)
            if shared:
                raise DataError(
                    f"{shared:,} images of {source.name} are in {splits[other]!r}, which is the {other} split, and in "
                    f"{split!r}, which is the {part} split. Choose splits that share none, or let a part of train be "
                    f"held out: --test-split {HOLD_OUT}."
                )


def _views_entry(source: Source, config: DataConfig, train: Entry, report: Report, workers: int | None) -> Entry | None:
    """The images of the split that views are drawn from, all of one class; None for those of train."""
    from simo2_core.data.build import cached_entry, entry_in_memory

    if config.views_split is None or (source.in_memory and config.views_split == config.train_split):
        return None
    rule = _rule_of(train, config)
    views = WithoutLabels(source)
    if source.in_memory:
        return entry_in_memory(views.split(config.views_split), config, source.name)
    return cached_entry(views, config.views_split, config, rule=rule, report=report, workers=workers)


def _without_evaluated(
    source: Source, config: DataConfig, views: Entry, entries: Mapping[str, Entry], parts: Mapping[str, DataPart]
) -> DataPart:
    """The images to draw views from: those of `views` that neither validate nor test."""
    from simo2_core.data.build import names_of_rows

    assert config.views_split is not None
    splits = splits_of(source, config)
    if not any(source.shared(config.views_split, split) for split in splits.values()):
        return _whole(views)
    evaluated: set[str] = set()
    for part in ("validation", "test"):
        lies_in = part if part in entries else "train"
        names = names_of_rows(source.split(splits[lies_in]), config, source.name, entries[lies_in])
        evaluated.update(names[row] for row in parts[part].rows.tolist())
    names = names_of_rows(source.unlabelled(config.views_split), config, source.name, views)
    rows = np.array([row for row, name in enumerate(names) if name not in evaluated], np.int64)
    if not len(rows):
        raise DataError(
            f"every image of {config.views_split!r} of {source.name} is evaluated: there is none to draw views from. "
            "Leave out --views-split, or choose another."
        )
    return DataPart(views.images, rows, np.ones(len(rows), np.int64))


def _rule_of(train: Entry, config: DataConfig) -> Rule:
    from simo2_core.data.build import decoder_of
    from simo2_core.data.headers import rule_of

    return rule_of(config, train.images.shape[1:], decoder_of(train))


def _parts(images: NDArray[np.uint8], counts: NDArray[np.int64], cut: Cut) -> dict[str, DataPart]:
    starts = np.cumsum(counts) - counts
    return {
        "train": DataPart(images, starts, cut.train),
        "validation": DataPart(images, starts + cut.train, cut.validation),
        "test": DataPart(images, starts + cut.train + cut.validation, cut.test),
    }


def _whole(entry: Entry) -> DataPart:
    return DataPart(entry.images, np.cumsum(entry.counts) - entry.counts, entry.counts)


def _chosen(entry: Entry) -> tuple[Note, ...]:
    """What was chosen for the user when the images were decoded."""
    from simo2_core.data.build import notes_of

    return (*entry.notes, *notes_of(entry))


def _size_needed(entry: Entry) -> Note:
    """That images of several sizes are made larger than some of them are, for the encoder's sake."""
    side = entry.images.shape[1]
    said = (
        f"{len(entry.images):,} images of several sizes are all made {side}×{side}, as small as the encoder takes them"
    )
    return Note(SIZE_CHOSEN, f"{said}: those that are smaller are enlarged.", "Choose another size with --image-size.")


def _unused(config: DataConfig) -> Iterator[Note]:
    """Settings that are given and mean nothing to this kind of data set."""
    part = claimant(config)
    for name in part.unused:
        if (value := getattr(config, name)) is not None:
            said = f"{name} is {shown(value)}, and {part.name} has no use for it."
            yield Note("setting-unused", said, f"Leave out --{name.replace('_', '-')}.")


def alike(names: tuple[str, ...]) -> Iterator[Note]:
    """Classes that may be one class, spelled in two ways."""
    spelled: dict[str, list[str]] = {}
    for name in names:
        plain = unicodedata.normalize("NFKC", name).casefold()
        spelled.setdefault(plain.replace("_", " ").replace("-", " ").strip(), []).append(name)
    alike = [group for group in spelled.values() if len(group) > 1]
    if alike:
        listed = "; ".join(" and ".join(map(repr, group)) for group in alike[:3])
        more = f"; and {len(alike) - 3} more" if len(alike) > 3 else ""
        cure = "Put the images of each into one folder if they are one class."
        yield Note("alike-classes", f"these are taken for different classes: {listed}{more}.", cure)


def _looks(
    parts: Mapping[str, DataPart], entries: Mapping[str, Entry], seen: Mapping[str, Survey], background: str
) -> Iterator[Note]:
    """What is wrong with the images themselves, and which of those that are evaluated were trained on."""
    for part, found in seen.items():
        yield from describe(found, part, background=background)
    trained = seen["train"].digests[parts["train"].rows]
    for part in ("validation", "test"):
        digests = seen[part if part in entries else "train"].digests[parts[part].rows]
        equal = equal_images(digests, trained)
        if equal:
            yield Note(
                "equal-images",
                f"{equal:,} of {len(digests):,} {part} images are equal to training images, pixel for pixel: "
                f"what is measured on them is too good.",
                "Remove one of each pair.",
            )


def _fingerprint(
    source: Source,
    config: DataConfig,
    used: Mapping[str, Entry],
    cut: Cut,
    views_left_out: int,
    unseen: NDArray[np.bool_],
) -> str:
    from simo2_core.data.build import decoder_of

    kept_apart = [str(np.flatnonzero(unseen).tolist())] if unseen.any() else []

    splits = {**splits_of(source, config), "views": config.views_split or ""}
    first = used["train"]
    settings = [config.image_key, config.label_key, first.images.shape[1:], config.resize, config.background,
                config.depth, config.split_seed, first.class_names, views_left_out]  # fmt: skip
    files = _hash(
        *(f"{part} {source.files(splits[part])}" for part in used),
        repr(settings),
        *(e.counts for e in used.values()),
        cut,
        *kept_apart,
    )
    decoded = all(are_decoded(entry.images) for entry in used.values())
    pixels = _hash(_former(used, cut), str(views_left_out), *kept_apart) if decoded else None
    return make_fingerprint(files, pixels, decoder_of(first))


def _former(used: Mapping[str, Entry], cut: Cut) -> str:
    return _hash(*(item.sha256 for item in used.values()), *(item.counts for item in used.values()), cut)


def _hash(*what: str | NDArray[np.int64] | Cut) -> str:
    digest = hashlib.sha256()
    for item in what:
        if isinstance(item, Cut):
            item = np.concatenate([item.train, item.validation, item.test])
        digest.update(item.encode() if isinstance(item, str) else item.tobytes())
    return digest.hexdigest()
