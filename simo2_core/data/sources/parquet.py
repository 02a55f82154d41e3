"""Parquet as Hugging Face writes it, a folder that its `datasets` has saved, and a name on its Hub.

An image is a struct of bytes and path, or bytes; a label a number whose names stand in the schema's metadata, or a
text. A table of paths is read as one. pyarrow comes with tensorflow-datasets, and is imported when a file is opened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from simo2_core.data.damage import DAMAGE
from simo2_core.data.progress import Report
from simo2_core.data.sources.folder_scan import printable
from simo2_core.data.sources.hub import PREFIX, hub_folder, snapshot
from simo2_core.data.sources.labelled import IMAGE_KEYS, LABEL_KEYS, LabelledSource, Raw, choose_key, plain
from simo2_core.data.sources.parquet_files import ParquetRecords, open_file
from simo2_core.data.sources.place import Facts, files_below, has_suffix, holds, names_in, split_of
from simo2_core.data.sources.source import Source, SourcePart
from simo2_core.data.sources.table import open_columns
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError
from simo2_core.paths import exists, is_dir, user_path

_SUFFIXES = (".parquet", ".arrow")
_SAVED = ("dataset_dict.json", "state.json")
"""What `datasets` writes beside the splits, and beside the files of one."""
_SHARD = re.compile(r"[-_.]?(?P<number>\d+)(-of-(?P<count>\d+))?(-[0-9a-f]{16})?$")


@dataclass(frozen=True)
class _Columns:
    """What a schema says of its columns."""

    images: Sequence[str]
    """Those that hold encoded images."""
    all: Sequence[str]
    names: Mapping[str, Sequence[str]]
    """By column, the names of its classes."""


@dataclass(frozen=True)
class _Files:
    """Where the rows of each split lie."""

    root: Path
    splits: Mapping[str, Sequence[str]]
    """Paths relative to the root, in the order of the rows."""
    features: Mapping[str, Any] = field(default_factory=dict)
    """What files beside them say of the columns, where their schema does not."""


def _find(place: Path) -> _Files:
    """The files of each split; raises DataError where there are none, some are missing, or there are several sets."""
    if not is_dir(place):
        if not exists(place):
            raise DataError(
                f"{printable(str(place))} is not there. Give the path of a Parquet file, or of a folder of them."
            )
        return _Files(place.parent, {"train": [place.name]})
    if "dataset_dict.json" in names_in(place):
        splits = _json(place / "dataset_dict.json").get("splits")
        if not isinstance(splits, list) or not all(isinstance(name, str) and "/" not in name for name in splits):
            raise DataError(f"{place / 'dataset_dict.json'} names no splits. Save the data set again.")
        saved = {split_of(name) or name: _saved(place / name, f"{name}/") for name in splits}
        features = _json(place / splits[0] / "dataset_info.json").get("features") if splits else {}
        return _Files(place, saved, features if isinstance(features, dict) else {})
    if "state.json" in names_in(place):
        features = _json(place / "dataset_info.json").get("features")
        return _Files(place, {"train": _saved(place, "")}, features if isinstance(features, dict) else {})
    return _Files(place, _shards(place))


def _saved(folder: Path, below: str) -> list[str]:
    """The files of one split that `datasets` has saved."""
    listed = _json(folder / "state.json").get("_data_files")
    names = [item.get("filename") for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    if not names or not all(isinstance(name, str) and "/" not in name and name not in ("", "..") for name in names):
        raise DataError(f"{folder / 'state.json'} names no files of its own folder. Save the data set again.")
    return [f"{below}{name}" for name in names]


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except DAMAGE as error:
        line = " ".join(str(error).split())[:100]
        raise DataError(f"{path} is damaged ({line}). Save the data set again.") from None
    return value if isinstance(value, dict) else {}


def _shards(root: Path) -> dict[str, list[str]]:
    """Parquet files by split: the first word of a file's name, else of its folder's."""
    sets: dict[str, dict[str, list[str]]] = {}
    for path in files_below(root, ".parquet"):
        stem, folders = Path(path).stem, path.split("/")[:-1]
        name = _SHARD.sub("", stem)
        split = split_of(name) or (split_of(folders[-1]) if folders else None)
        if split and not split_of(name):
            folders = folders[:-1]
        sets.setdefault("/".join(folders), {}).setdefault(split or name, []).append(path)
    if len(sets) > 1:
        listed = ", ".join(f"{root / name}" for name in list(sets)[:4])
        raise DataError(f"{root} has several sets of Parquet files: {listed}. Give the folder of one.")
    splits = next(iter(sets.values()), {})
    if not splits:
        raise DataError(f"{root} has no Parquet files. Give the folder that has.")
    for paths in splits.values():
        _require_all(root, paths)
    if len(splits) == 1 and not split_of(next(iter(splits))):
        return {"train": next(iter(splits.values()))}
    order = {"train": 0, "validation": 1, "test": 2}
    return {split: splits[split] for split in sorted(splits, key=lambda split: order.get(split, 3))}


def _require_all(root: Path, paths: Sequence[str]) -> None:
    """Raises DataError where a shard is missing of those that the others count."""
    told = [match for path in paths if (match := _SHARD.search(Path(path).stem)) and match["count"]]
    counts = {int(match["count"]) for match in told}
    if len(counts) != 1:
        return
    gone = sorted(set(range(min(counts.pop(), 10**6))) - {int(match["number"]) for match in told})
    if gone:
        folder, named = root / Path(paths[0]).parent, _SHARD.sub("", Path(paths[0]).stem)
        said = f"{folder} lacks {len(gone):,} of the shards of {printable(named)}, such as number {gone[0]:,}."
        raise DataError(f"{said} Fetch them too.")


def _columns(place: Path, schema: Any, beside: Mapping[str, Any]) -> _Columns:
    """What a schema says, with the features that Hugging Face notes in its metadata."""
    import pyarrow as pa

    try:
        noted = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = {**beside, **noted.get("info", {}).get("features", {})}
        names = {key: _names(feature) for key, feature in features.items() if isinstance(feature, dict)}
        kinds = {key: feature.get("_type") for key, feature in features.items() if isinstance(feature, dict)}
    except DAMAGE:
        raise DataError(f"the metadata of {place} is damaged. Fetch it again.") from None

    def holds_bytes(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            return any(item.name == "bytes" for item in kind)
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    images = [item.name for item in schema if kinds.get(item.name) == "Image" or holds_bytes(item.type)]
    return _Columns(images, list(schema.names), {key: found for key, found in names.items() if found})


def _names(feature: Mapping[str, Any]) -> list[str]:
    """The names of the classes of a ClassLabel, or of a list of them."""
    while isinstance(feature.get("feature"), dict):
        feature = feature["feature"]
    names = feature.get("names") if feature.get("_type") == "ClassLabel" else None
    return [str(name) for name in names] if isinstance(names, list) else []


def _choose(columns: _Columns, config: DataConfig, place: Path) -> tuple[str | None, str | None]:
    """The columns of the image, None for a table of paths, and of the label, None where there is none."""
    image: str | None
    if config.image_key is not None:
        image = choose_key(columns.all, config.image_key, (), "--image-key", str(place))
        image = image if image in columns.images else None
    elif len(columns.images) > 1:
        image = choose_key(columns.images, None, IMAGE_KEYS, "--image-key", str(place))
        if image is None:
            listed = ", ".join(map(printable, columns.images))
            raise DataError(f"{place} has several columns of images: {listed}. Choose one with --image-key.")
    else:
        image = next(iter(columns.images), None)
    others = [name for name in columns.all if name != image]
    named = [name for name in others if name in columns.names]
    if config.label_key is None and len(named) == 1:
        return image, named[0]
    label = choose_key(others, config.label_key, LABEL_KEYS, "--label-key", str(place))
    if label is None and named:
        raise DataError(f"{place} has several labels: {', '.join(named)}. Choose one with --label-key.")
    return image, label


def open_parquet(place: Path, config: DataConfig, title: str | None = None) -> LabelledSource:
    """The images of Parquet or Arrow files; raises DataError where they are damaged or hold none."""
    found = _find(place)
    paths = {split: [str(found.root.absolute() / name) for name in names] for split, names in found.splits.items()}
    first = next(iter(paths.values()))[0]
    columns = _columns(Path(first), open_file(first).schema, found.features)
    image, label = _choose(columns, config, place)
    if image is None:
        return _of_paths(place, [path for some in paths.values() for path in some], columns, config)
    names = columns.names.get(label or "")
    splits, facts = {}, {}
    for split, some in paths.items():
        splits[split] = _raw(some, image, label, missing=-1 if names else None)
        facts[split] = Facts.of(found.root, found.splits[split], image, repr(names))
    said = f"images in {image!r}, " + (f"labels in {label!r}" if label else "no labels")
    taken = said + (f" with the names of {len(names)} classes" if names else "")
    return LabelledSource(place, splits, facts, config, taken=taken, names=names, title=title)


def _raw(paths: Sequence[str], image: str, label: str | None, missing: int | None) -> Raw:
    """
    Args:
        missing: the number of a label that is not known, as `datasets` writes it.
    """
    places, labels = [], []
    for number, path in enumerate(paths):
        open_file(path).require_room(image)
        count = open_file(path).rows
        places.append(np.stack([np.full(count, number), np.arange(count)], 1))
        given: Iterable[object] = plain(open_file(path).values(label)) if label else [None] * count
        labels += [None if missing is not None and value == missing else value for value in given]
    rows = np.concatenate(places) if places else np.zeros((0, 2), np.int64)
    return Raw(ParquetRecords(tuple(paths), rows, image), labels)


def _of_paths(place: Path, paths: Sequence[str], columns: _Columns, config: DataConfig) -> LabelledSource:
    """A table that names its images by path."""
    if len(paths) != 1:
        raise DataError(f"{place} has no column of images. Name one with --image-key, or give one table of paths.")
    file = open_file(paths[0])
    return open_columns(Path(paths[0]), {name: plain(file.values(name)) for name in columns.all}, config, columns.names)


@dataclass(frozen=True, kw_only=True)
class Parquet(SourcePart):
    """Parquet and Arrow files."""

    name: ClassVar[str] = "parquet"
    summary: ClassVar[str] = "Parquet as Hugging Face writes it, a folder saved by its datasets, or hf:NAME on its Hub"
    unused: ClassVar[tuple[str, ...]] = ("data_dir",)

    @classmethod
    def claims(cls, dataset: str) -> bool:
        """A file by its suffix, a folder of such files without images, or a name on the Hub."""
        if dataset.startswith(PREFIX) or has_suffix(dataset, _SUFFIXES):
            return True
        return any(exists(user_path(dataset) / name) for name in _SAVED) or holds(dataset, ".parquet")

    def is_on_disk(self, config: DataConfig) -> bool:
        """Whether the path is there, or the data set of the Hub has been fetched."""
        name = config.dataset
        return snapshot(name) is not None if name.startswith(PREFIX) else exists(user_path(name))

    def open(self, config: DataConfig, report: Report) -> Source:
        """Reads the labels; fetches a data set of the Hub that is not here."""
        if config.dataset.startswith(PREFIX):
            return open_parquet(hub_folder(config.dataset, report), config, title=config.dataset)
        return open_parquet(user_path(config.dataset), config)
