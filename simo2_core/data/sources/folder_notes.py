"""What to know of a folder of images before a run: what of it is not used, and why it has no two classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path

from simo2_core.data.dataset import FEW_CLASSES, Note
from simo2_core.data.sources.folder_layout import too_high
from simo2_core.data.sources.folder_scan import Scan, printable


def is_labelled(found: Scan, train: Scan) -> bool:
    """Whether the images of a split are in classes, as those of train."""
    return train.heap or (bool(found.paths) and not found.heap)


def labels_of(root: Path, splits: Iterable[tuple[Path, Scan]]) -> str:
    """What gives the images of a folder their labels.

    Args:
        splits: the folder of each and what is in it.
    """
    named = [root.name if folder == root else folder.name for folder, found in splits if found.classes]
    if not named:
        return "images without labels"
    return f"images, labels by the folder below {' and '.join(map(printable, named))}"


def few_classes(folder: Path, train: Scan) -> Iterator[Note]:
    """Why there are fewer than two classes, where there are."""
    if len(train.classes) > 1:
        return
    where, inner = printable(str(folder)), too_high(folder)
    if inner is not None:
        said = f"{where} has only the class {printable(inner.name)!r}, which is a data set itself."
        yield Note(FEW_CLASSES, said, f"Use --dataset {printable(str(inner))}.")
        return
    what = f"only the class {printable(train.classes[0])!r}" if train.classes else "no class"
    yield Note(
        FEW_CLASSES,
        f"{where} has {what} with images ({len(train.paths):,} of them); at least 2 are needed.",
        "Put the images of each class into a folder of their own, or train without labels: --labels none.",
    )


def left_out(
    splits: Mapping[str, tuple[Path, Scan]], others: Mapping[Path, int], used: Container[str]
) -> Iterator[Note]:
    """What is not used, counted.

    Args:
        splits: the folder of each split, and what is in it.
        others: folders beside them, and how many images are in each.
        used: splits, and folders beside them, that were asked for by name.
    """
    parts, cures = [], []
    beside = {printable(folder.name): count for folder, count in others.items() if count}
    beside = {name: count for name, count in beside.items() if name not in used}
    if beside:
        parts += [f"{count:,} images in {name}/" for name, count in beside.items()]
        first = next(iter(beside))
        cures.append(f"Use a folder by its name (--test-split {first}, or with --labels none --views-split {first}).")
    train = splits["train"][1]
    for split, (folder, found) in splits.items():
        if split != "train" and split not in used and found.paths and not is_labelled(found, train):
            parts.append(f"{len(found.paths):,} images without labels in {printable(folder.name)}/")
            cures.append("The test part is held out of train.")
    parts += [
        f"{found.loose:,} images of {split} in no folder of a class"
        for split, (_, found) in splits.items()
        if found.loose
    ]
    passed = [path for _, found in splits.values() for path in found.passed]
    if passed:
        kinds = Counter(map(_kind, passed)).most_common(4)
        listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds)
        parts.append(f"{len(passed):,} files ({listed}; such as {printable(passed[0])})")
        cures.append("Convert files to a format that Pillow reads, such as PNG or JPEG, and name them by it.")
    if parts:
        yield Note("unused", f"not used: {'; '.join(parts)}.", " ".join(dict.fromkeys(cures)))


def _kind(path: str) -> str:
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return f"ending in {printable(name[dot:].lower())}" if dot > 0 else "without a suffix"
