"""Which folders of a data set are its splits, and what to say of one that is laid out otherwise."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from simo2_core.data.sources.folder_scan import entries, is_image_name, printable
from simo2_core.data.sources.place import SPLIT_NAMES

_SPELLINGS = frozenset(spelling for spellings in SPLIT_NAMES.values() for spelling in spellings)

_LOOKED_AT = 5000
"""Files that are looked at to say what a folder holds instead of images."""

_OTHER = {
    "Parquet files": (".parquet", ".arrow", ".feather"),
    "archives": (".tar", ".tgz", ".gz", ".zip", ".7z", ".rar", ".bz2", ".xz", ".zst"),
    "records of TFDS or TensorFlow": (".tfrecord", ".array_record", ".riegeli"),
    "arrays": (".npy", ".npz", ".pkl", ".pickle", ".pt", ".pth", ".h5", ".hdf5", ".mat", ".safetensors", ".lmdb"),
    "videos": (".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v"),
    "images of formats that are not read": (".heic", ".heif", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".svg",
                                            ".psd", ".jxl", ".exr", ".dcm", ".nii", ".pdf", ".eps"),
    "tables": (".csv", ".tsv", ".json", ".jsonl", ".xlsx", ".xml"),
}  # fmt: skip

_CURES = {
    "Parquet files": "Give the folder of the .parquet files alone, or one of them",
    "archives": "Unpack them, and give the folder that they make; give .tar files of WebDataset a folder of their own",
    "records of TFDS or TensorFlow": "Give the data set's TFDS name, and the folder above with --data-dir",
    "arrays": "Give the path of an .npz file itself; write the images of other files to a folder for each class",
    "videos": "Take frames out of them, into a folder for each class",
    "images of formats that are not read": "Convert them to PNG or JPEG",
    "tables": "Give the path of the table itself, with a column of paths and one of labels",
}


@dataclass(frozen=True)
class Layout:
    """The folders of a data set by what they are."""

    splits: dict[str, Path]
    others: tuple[Path, ...]
    """Beside train: not used unless asked for by name."""


def lay_out(root: Path) -> Layout:
    """Finds the folders of the splits; `root` is train where none is called that, or the one so called is a class.

    Of `Train/` and `train/`, or of `val/` and `valid/`, the first is taken: the exact name, then the usual one.

    Raises:
        DataError: it cannot be listed.
    """
    folders = [entry for entry in entries(str(root)) if entry.is_dir()]
    found: dict[str, Path] = {}
    for split, spellings in SPLIT_NAMES.items():
        named = [entry for entry in folders if entry.name.lower() in spellings]
        if named:
            first = min(
                named, key=lambda entry: (spellings.index(entry.name.lower()), entry.name != entry.name.lower())
            )
            found[split] = Path(first.path)
    others = any(entry.name.lower() not in _SPELLINGS for entry in folders)
    if "train" not in found or (others and not _has_folders(found["train"])):
        return Layout({"train": root}, ())
    if "test" not in found and "validation" in found:
        found["test"] = found.pop("validation")  # ImageNet's habit: what is called val is what papers report
    used = {path.name for path in found.values()}
    rest = sorted((entry.name for entry in folders if entry.name not in used), key=os.fsencode)
    return Layout(found, tuple(root / name for name in rest))


def _has_folders(folder: Path) -> bool:
    return any(entry.is_dir() for entry in entries(str(folder)))


def too_high(root: Path) -> Path | None:
    """The folder inside the only folder of `root` that is a data set itself, where there is one."""
    inside = [Path(entry.path) for entry in entries(str(root)) if entry.is_dir()]
    if len(inside) != 1:
        return None
    below = [Path(entry.path) for entry in entries(str(inside[0])) if entry.is_dir()]
    return inside[0] if sum(_holds_image(folder) for folder in below) >= 2 else None


def _holds_image(folder: Path) -> bool:
    return any(is_image_name(name) for name in _files(folder))


def _files(root: Path) -> Iterable[str]:
    """Names of the first files below a folder."""
    left = _LOOKED_AT
    for _, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith("."):
                yield name
                left -= 1
                if not left:
                    return


def what_is_there(root: Path) -> str:
    """What a folder without images holds instead, and what would work: two sentences."""
    kinds: Counter[str] = Counter()
    example: dict[str, str] = {}
    for name in _files(root):
        suffixes = {f".{piece}" for piece in name.lower().split(".")[1:]}
        suffixes |= {suffix.partition("-")[0] for suffix in suffixes}  # cifar10-test.array_record-00000-of-00001
        kind = next((kind for kind, known in _OTHER.items() if suffixes & set(known)), "other files")
        kinds[kind] += 1
        example.setdefault(kind, printable(name))
    if not kinds:
        return "It is empty. Put the images of each class into a folder of their own."
    order = [*_OTHER, "other files"]
    listed = sorted(kinds, key=order.index)[:3]
    said = ", ".join(f"{kinds[kind]:,} {kind} ({example[kind]})" for kind in listed)
    cure = _CURES.get(listed[0], "Put the images of each class into a folder of their own")
    return f"It has {said}. {cure}."
