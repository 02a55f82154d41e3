"""What is on disk and what is not: prepared data sets, decoded images, and what preparing would need."""

from __future__ import annotations

import contextlib
import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from simo2_core.data.build import entry_key_of
from simo2_core.data.cache import entry_key, entry_path, open_entry
from simo2_core.data.facts import DatasetFacts
from simo2_core.data.load import alike
from simo2_core.data.progress import silent
from simo2_core.data.sources.open import claimant, open_on_disk
from simo2_core.data.sources.prepared import Prepared, TfdsName, data_dirs, find
from simo2_core.data.sources.source import Source
from simo2_core.data.upkeep import list_entries
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError


@dataclass(frozen=True)
class DecodedSize:
    """One split in the cache of decoded images."""

    path: Path
    name: str
    """`name[/config]` of a TFDS data set, or the path of a folder."""
    split: str
    images: int
    shape: tuple[int, ...]
    """Height, width, channels."""
    bytes: int


@dataclass(frozen=True)
class Needed:
    """A file that preparing a data set fetches, or that the user has to."""

    name: str
    url: str
    bytes: int
    """0 while unknown."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """All that can be said of a data set without reading its images."""

    name: str
    kind: str
    """`built in`, the name of a kind of source, such as `folder` or `table`, or `TFDS`."""
    classes: tuple[str, ...]
    image_shape: tuple[int | None, ...]
    """Height, width and channels; None where images differ or it is not known."""
    splits: dict[str, int]
    """Images of each split; empty while unknown."""
    prepared: tuple[Prepared, ...] = ()
    decoded: tuple[DecodedSize, ...] = ()
    needed: tuple[Needed, ...] = ()
    """What is still to be fetched; of a builder with several configs, the files of all of them."""
    by_hand: str = ""
    """Where to put those files when they have to be fetched by hand, or when this machine is offline."""
    notes: tuple[str, ...] = field(default=())


def decoded(name: str | None = None) -> list[DecodedSize]:
    """The entries of the cache, of one data set or of all."""
    found = []
    for path in list_entries():
        key, entry = entry_key(path), open_entry(path, trusting=True)
        if entry is not None and key and name in (None, key["name"]):
            shape = entry.images.shape
            found.append(DecodedSize(path, key["name"], key["split"], shape[0], shape[1:], entry.images.nbytes))
    return found


def describe(
    dataset: str, data_dir: str | None, image_key: str | None = None, label_key: str | None = None
) -> Description:
    """What `dataset` (digits, a path, a TFDS name, or what a source of one's own claims) is, and what is here of it.

    Args:
        image_key: which feature, column or array is the image, where there are several; `label_key` likewise.

    Raises:
        DataError: there is no such data set; the message has the nearest names.
    """
    config = DataConfig(dataset=dataset, data_dir=data_dir, image_key=image_key, label_key=label_key)
    part = claimant(config)
    if part.last:
        return _describe_tfds(TfdsName.parse(dataset), data_dir, image_key, label_key)
    source = part.open(config, silent)
    return _describe_source(source, "built in" if source.in_memory else part.name)


def _describe_source(source: Source, kind: str) -> Description:
    said = source.notes  # before every split is asked for
    parts = {name: source.split(name) for name in source.splits}
    train = parts["train"] if "train" in parts else next(iter(parts.values()))
    sizes = np.bincount(train.labels[train.labels >= 0], minlength=len(train.class_names))
    smallest, largest = int(sizes.argmin()), int(sizes.argmax())
    notes = [f"read: {source.taken}"] if source.taken else []
    notes.append(
        f"smallest class of train {train.class_names[smallest]!r} with {sizes[smallest]:,} images, "
        f"largest {train.class_names[largest]!r} with {sizes[largest]:,}"
    )
    if source.empty_classes:
        notes.append(f"classes without an image: {', '.join(source.empty_classes)}")
    notes += [f"{note.message} {note.cure}".strip() for note in (*said, *alike(train.class_names))]
    return Description(
        name=source.name,
        kind=kind,
        classes=train.class_names,
        image_shape=train.own_shape,
        splits={name: len(part.records) for name, part in parts.items()},
        decoded=tuple(decoded(source.origin)),
        notes=tuple(notes),
    )


def _describe_tfds(wanted: TfdsName, data_dir: str | None, image_key: str | None, label_key: str | None) -> Description:
    from simo2_core.data.archives import MANUAL_FILES, manual_folder
    from simo2_core.data.prepare_child import find_builder
    from simo2_core.data.sources.class_names import readable_names
    from simo2_core.data.sources.tfds import choose_features

    folder = data_dirs(data_dir)[0]
    prepared = tuple(find(wanted, data_dir))
    builder = _builder_of(prepared[0]) if prepared else find_builder(str(wanted), folder)
    image_key, label_key = choose_features(builder.info, image_key, label_key, str(wanted))
    label = builder.info.features[label_key]
    needed: list[Needed] = []
    if not prepared:
        manual = MANUAL_FILES.get(wanted.name)
        for url, info in (builder.url_infos or {}).items():
            name = info.filename or url.rsplit("/", 1)[-1]
            if manual is None or name in manual:
                needed.append(Needed(name, url, int(info.size)))
    return Description(
        name=prepared[0].full_name if prepared else str(wanted),
        kind="TFDS",
        classes=readable_names(wanted.name, tuple(label.names or map(str, range(label.num_classes)))),
        image_shape=tuple(builder.info.features[image_key].shape),
        splits=prepared[0].splits if prepared else {},
        prepared=prepared,
        decoded=tuple(decoded(prepared[0].full_name if prepared else str(wanted))),
        needed=tuple(needed),
        by_hand=str(manual_folder(folder / "downloads", wanted.name)) if needed else "",
    )


def _builder_of(prepared: Prepared) -> Any:
    import tensorflow_datasets as tfds

    try:
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints where TensorFlow is missed
            builder = tfds.builder_from_directory(prepared.path)
            builder.info.features.items()
    except Exception as error:  # it raises many kinds for metadata that it does not understand
        line = " ".join(str(error).split())[:200]
        raise DataError(
            f"{prepared.path} holds no labelled images that simo2 can read, or is damaged ({line}). "
            f"If it is, delete that folder, then run: simo2 data prepare {prepared.full_name}."
        ) from error
    return builder


def expected_facts(
    config: DataConfig,
    *,
    classes: int,
    image_shape: tuple[int, int, int],
    images: int,
    splits: tuple[str, ...] = (),
) -> DatasetFacts:
    """What a preset says of its data set, with what the disk says of it: for a pre-flight before anything is loaded."""
    to_write = 0 if _is_decoded(config) else images * math.prod(image_shape)
    return DatasetFacts(classes=classes, image_shape=image_shape, images=images, splits=splits, to_write=to_write)


def _is_decoded(config: DataConfig) -> bool:
    source = open_on_disk(config)
    if source is None:
        return False
    return source.in_memory or entry_path(entry_key_of(source, config.train_split, config, None)).is_dir()
