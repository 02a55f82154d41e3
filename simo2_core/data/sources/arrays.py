"""Arrays of pixels and labels as they lie on disk: `.npz`, pairs of `.npy`, torchvision's CIFAR and MNIST files.

The names of arrays say what they are: `x_train` and `y_train`, `test_images` and `test_labels`, `images` and `labels`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.progress import Report
from simo2_core.data.sources.array_files import NpzArrays, open_idx, open_npy
from simo2_core.data.sources.folder_scan import printable
from simo2_core.data.sources.labelled import IMAGE_KEYS, LABEL_KEYS, LabelledSource, Raw, choose_key, plain
from simo2_core.data.sources.pickled_arrays import read_pickle
from simo2_core.data.sources.pixel_records import PixelRecords
from simo2_core.data.sources.place import SPLIT_NAMES, Facts, has_name, has_suffix, holds, is_place, names_in
from simo2_core.data.sources.source import Source, SourcePart
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError
from simo2_core.paths import exists, user_path

_SUFFIXES = (".npz", ".npy")
_NAME_KEYS = ("class_names", "names", "classes", "label_names")
_SPLIT_OF = {spelling: split for split, spellings in SPLIT_NAMES.items() for spelling in spellings}
_IDX = re.compile(r"(?P<set>.*?)(?P<split>train|t10k|test)-(?P<what>images-idx3|labels-idx1)-ubyte(\.gz)?")

_CIFAR = (
    ({"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}, "batches.meta"),
    ({"train": ("train",), "test": ("test",)}, "meta"),
)
"""Of CIFAR-10 and of CIFAR-100: the files of each split, and the one with the names of the classes."""
_INSIDE = ("", "cifar-10-batches-py", "cifar-100-python", "raw", "MNIST/raw", "FashionMNIST/raw", "KMNIST/raw")
"""Where torchvision puts its files, below what a user may name."""


@dataclass(frozen=True, eq=False)
class _Arrays:
    """One split as it was found."""

    images: NDArray[Any]
    labels: NDArray[Any] | Sequence[Any] | None
    file: str
    """What the images are called in messages."""


@dataclass(frozen=True, eq=False)
class _Found:
    """All splits, and what to say of them."""

    splits: Mapping[str, _Arrays]
    files: Sequence[str]
    """Relative to the folder."""
    taken: str
    names: Sequence[str] | None = None
    transposed: bool = False


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _cifar_folder(folder: Path) -> Path | None:
    """Where CIFAR's pickles lie."""
    places = (folder / inside for inside in _INSIDE[:3])
    return next(
        (
            place
            for place in places
            if any(exists(place / meta) and exists(place / splits["train"][0]) for splits, meta in _CIFAR)
        ),
        None,
    )


def _idx_folder(folder: Path) -> Path | None:
    """Where idx files lie."""
    places = (folder / inside for inside in ("", *_INSIDE[3:]))
    return next((place for place in places if has_name(place, _IDX.fullmatch)), None)


def _read_cifar(folder: Path, config: DataConfig) -> _Found:
    splits, meta = next(item for item in _CIFAR if exists(folder / item[1]))
    known = _dictionary(folder / meta)
    files = [meta, *(name for names in splits.values() for name in names if exists(folder / name))]
    gone = [name for name in splits["train"] if name not in files]
    if gone:
        raise DataError(f"{folder} lacks {', '.join(gone)}. Fetch CIFAR again, or copy the whole folder.")
    keys = [
        key
        for key, value in _dictionary(folder / splits["train"][0]).items()
        if key.endswith("labels") and isinstance(value, list) and value
    ]
    label_key = choose_key(keys, config.label_key, ("labels", "fine_labels"), "--label-key", str(folder))
    found = {}
    for split, names in splits.items():
        batches = [_dictionary(folder / name) for name in names if name in files]
        if not batches:
            continue
        try:
            pixels = np.concatenate([np.asarray(batch["data"]).reshape(-1, 3, 32, 32) for batch in batches])
            labels = None if label_key is None else [label for batch in batches for label in batch[label_key]]
        except (ValueError, LookupError, TypeError):
            raise DataError(f"{folder} holds no images of 32×32 in {' or '.join(names)}. Fetch CIFAR again.") from None
        found[split] = _Arrays(np.moveaxis(pixels, 1, -1), labels, split)
    names_key = f"{(label_key or '').removesuffix('s')}_names"
    class_names = known.get(names_key)
    if class_names is not None and not _are_texts(class_names):
        raise DataError(f"{names_key!r} of {folder / meta} is no list of texts. Fetch CIFAR again.")
    return _Found(found, files, f"CIFAR as torchvision keeps it: images 'data', labels {label_key!r}", class_names)


def _dictionary(path: Path) -> dict[str, Any]:
    value = read_pickle(path)
    if not isinstance(value, dict):
        raise DataError(f"{path} holds no batch of CIFAR. Fetch it again.")
    return value


def _read_idx(folder: Path, config: DataConfig) -> _Found:
    sets: dict[str, dict[tuple[str, str], str]] = {}
    for name in names_in(folder):
        match = _IDX.fullmatch(name)
        if match is not None:
            split = "train" if match["split"] == "train" else "test"
            sets.setdefault(match["set"], {}).setdefault((split, match["what"][:6]), name)  # the unpacked one is first
    if len(sets) > 1:
        listed = ", ".join(f"{name}*" for name in sets)
        raise DataError(f"{folder} has several sets of idx files ({listed}). Put one into a folder of its own.")
    ((name, files),) = sets.items()
    found = {}
    for split in ("train", "test"):
        if (split, "images") in files:
            labels = files.get((split, "labels"))
            read = None if labels is None else open_idx(folder / labels)
            found[split] = _Arrays(open_idx(folder / files[split, "images"]), read, files[split, "images"])
    return _Found(
        found,
        list(files.values()),
        "idx files as MNIST's: images idx3, labels idx1",
        transposed="emnist" in name.lower(),
    )


def _taken_apart(name: str) -> tuple[str, str]:
    """The split that the name of an array means, or an empty text, and what is left of it: `x_train` is x of train."""
    words = re.split(r"[_\-. ]+", name)
    split = next((_SPLIT_OF[word.lower()] for word in words if word.lower() in _SPLIT_OF), "")
    return split, "_".join(word for word in words if word.lower() not in _SPLIT_OF)


def _read_named(arrays: Mapping[str, Any], place: Path, config: DataConfig, files: Sequence[str]) -> _Found:
    """Arrays that are told apart by their names; `arrays` opens one when it is asked for."""
    apart = {name: _taken_apart(name) for name in arrays}
    rests = list(dict.fromkeys(rest for _, rest in apart.values()))
    image = choose_key(rests, config.image_key, ("images", *IMAGE_KEYS), "--image-key", str(place))
    label = choose_key(
        [rest for rest in rests if rest != image], config.label_key, LABEL_KEYS, "--label-key", str(place)
    )
    of = {(split, rest): name for name, (split, rest) in apart.items()}
    if image is None:
        listed = ", ".join(printable(name) for name in arrays) or "nothing"
        raise DataError(
            f"{place} has {listed}, and none is called images, or x. Rename one, or name it: --image-key NAME."
        )
    found, taken = {}, []
    for split in ("", "train", "validation", "test"):
        if (split, image) in of:
            name, named = of[split, image], of.get((split, str(label)))
            labels = None if label is None or named is None else arrays[named]
            found[split or "train"] = _Arrays(arrays[name], labels, f"{place.name} {name}" if place.suffix else name)
            taken.append(f"{name!r} with labels {named!r}" if named else f"{name!r} without labels")
    key = next((name for name in arrays if name.lower() in _NAME_KEYS), None)
    names = None if key is None else _names(arrays[key], f"{key!r} of {place}")
    said = f"images {', '.join(taken)}" + (f", names of classes {key!r}" if key else "")
    return _Found(found, files, said, names)


def _names(array: NDArray[Any], where: str) -> list[str]:
    if array.ndim != 1 or array.dtype.kind != "U":
        raise DataError(f"{where} are {array.dtype} {array.shape}; names of classes must be a list of texts.")
    return [str(name) for name in array.tolist()]


class _Npy(Mapping[str, Any]):
    """The `.npy` files of a folder by name, each opened when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._names = folder, [name for name in names_in(folder) if has_suffix(name, (".npy",))]

    def __iter__(self) -> Any:
        return (name[:-4] for name in self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return open_npy(self._folder / next(file for file in self._names if file[:-4] == name))


def _raw(arrays: _Arrays, where: str, transposed: bool) -> Raw:
    """Raises DataError for what are no images, or labels of another number."""
    pixels = arrays.images[..., None] if arrays.images.ndim == 3 else arrays.images
    if pixels.ndim == 4 and pixels.shape[-1] not in (1, 3) and pixels.shape[1] in (1, 3):
        pixels = np.moveaxis(pixels, 1, -1)  # channels first, as PyTorch has them
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] not in (1, 3) or 0 in pixels.shape[1:]:
        raise DataError(
            f"{arrays.file} of {where} is {arrays.images.dtype} {arrays.images.shape}; images must be uint8 (N, H, W), "
            "(N, H, W, 1 or 3) or (N, 1 or 3, H, W). Scale them to 0 to 255 and convert them with astype('uint8')."
        )
    count, height, width, channels = pixels.shape
    records = PixelRecords(pixels, np.arange(count), arrays.file, np.arange(count))
    shape = (width, height, channels) if transposed else (height, width, channels)
    return Raw(records, _labels(arrays.labels, count, arrays.file, where), shape, transposed)


def _labels(given: NDArray[Any] | Sequence[Any] | None, count: int, file: str, where: str) -> list[object]:
    if given is None:
        return [None] * count
    try:
        labels = np.asarray(given)
    except ValueError:  # lists of several lengths
        raise DataError(f"{where} has several labels for an image of {file}. Train without: --labels none.") from None
    if labels.ndim == 2 and labels.shape[1] == 1:  # MedMNIST's, Keras' of CIFAR
        labels = labels[:, 0]
    if len(labels.shape) == 0 or len(labels) != count:
        raise DataError(f"{where} has labels of shape {labels.shape}; there must be one for each of {count:,} {file}.")
    return plain(labels.tolist())


def _read(place: Path, config: DataConfig) -> tuple[Path, _Found]:
    """The folder of the files, and what is in them."""
    if place.suffix.lower() == ".npz":
        return place.parent, _read_named(NpzArrays(place), place, config, [place.name])
    folder = place.parent if place.suffix.lower() == ".npy" else place
    cifar, idx = _cifar_folder(folder), _idx_folder(folder)
    if folder is place and cifar is not None:
        return cifar, _read_cifar(cifar, config)
    if folder is place and idx is not None:
        return idx, _read_idx(idx, config)
    arrays = _Npy(folder)
    return folder, _read_named(arrays, folder, config, [f"{name}.npy" for name in arrays])


def open_arrays(place: Path, config: DataConfig) -> LabelledSource:
    """The arrays at `place`; raises DataError where there are none, or they are no labelled images."""
    if not exists(place):
        raise DataError(
            f"{printable(str(place))} is not there. Give the path of an .npz file, or of a folder of arrays."
        )
    folder, found = _read(place, config)
    splits = {split: _raw(arrays, str(place), found.transposed) for split, arrays in found.splits.items()}
    _require_one_size(splits, place)
    facts = Facts.of(folder, found.files)
    return LabelledSource(place, splits, dict.fromkeys(splits, facts), config, taken=found.taken, names=found.names)


def _require_one_size(splits: Mapping[str, Raw], place: Path) -> None:
    shapes: Iterable[tuple[int | None, ...]] = {raw.own_shape for raw in splits.values()}
    if len(list(shapes)) > 1:
        listed = ", ".join(f"{split} {raw.own_shape}" for split, raw in splits.items())
        raise DataError(f"the splits of {place} have images of different shapes: {listed}. Make them alike.")


@dataclass(frozen=True, kw_only=True)
class Arrays(SourcePart):
    """Arrays on disk."""

    name: ClassVar[str] = "arrays"
    summary: ClassVar[str] = "arrays of pixels and labels: .npz, pairs of .npy, torchvision's CIFAR and MNIST files"
    unused: ClassVar[tuple[str, ...]] = ("data_dir",)

    @classmethod
    def claims(cls, dataset: str) -> bool:
        """An `.npz` or `.npy` file, or a folder of `.npy` files, of CIFAR's batches or of idx files."""
        if has_suffix(dataset, _SUFFIXES):
            return True
        if not is_place(dataset):
            return False
        folder = user_path(dataset)
        if _cifar_folder(folder) or _idx_folder(folder):
            return True
        return has_name(folder, lambda name: name.lower().endswith(".npy")) and holds(dataset, ".npy")

    def is_on_disk(self, config: DataConfig) -> bool:
        """Whether the path is there."""
        return exists(user_path(config.dataset))

    def open(self, config: DataConfig, report: Report) -> Source:
        """Reads the labels, and maps or unpacks the pixels."""
        return open_arrays(user_path(config.dataset), config)
