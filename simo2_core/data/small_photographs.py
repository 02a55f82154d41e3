"""Whether a folder holds many small colour photographs, as CIFAR-10 has them: what a recipe was made for."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from simo2_core.paths import user_path

SIDES = (24, 48)
"""Pixels of the shorter and the longer side, at the least and at the most."""
MANY = 10_000
"""Images from which on a recipe of passes over them is worth its time."""
_LOOKED_INTO = 5
"""Classes of which one image is opened."""


def are_small_photographs(dataset: str) -> bool:
    """Whether `dataset` is a folder with a folder for each class, of at least `MANY` colour images of such `SIDES`.

    Looks at names, and into one image of a few classes: about a second for a hundred thousand files.
    """
    try:
        root = user_path(dataset)
        if not root.is_dir():
            return False
        train = root / "train" if (root / "train").is_dir() else root
        classes = sorted(path for path in train.iterdir() if path.is_dir() and not path.name.startswith("."))
        if len(classes) < 2 or sum(1 for _ in itertools.islice(_files(classes), MANY)) < MANY:
            return False
        return all(_is_small_photograph(next(_files([one]))) for one in classes[:_LOOKED_INTO])
    except (OSError, StopIteration):  # whatever it is, it will be looked at again, and refused in its own words
        return False


def _files(folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        with os.scandir(folder) as found:
            yield from (Path(entry.path) for entry in found if entry.is_file())


def _is_small_photograph(path: Path) -> bool:
    from PIL import Image

    with Image.open(path) as image:
        return image.mode == "RGB" and SIDES[0] <= min(image.size) and max(image.size) <= SIDES[1]
