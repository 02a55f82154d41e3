"""Readable class names for the data sets that ship codes or bare numbers."""

from __future__ import annotations

import functools
import re
from pathlib import Path

_WORDS = {
    "cifar10": "airplane automobile bird cat deer dog frog horse ship truck",
    "stl10": "airplane bird car cat deer dog horse monkey ship truck",
    "emnist": "0 1 2 3 4 5 6 7 8 9 A B C D E F G H I J K L M N O P Q R S T U V W X Y Z a b d e f g h n q r t",
}
"""Names in label order, used where the prepared copy has only numbers; EMNIST's are those of `balanced`."""

_ID = re.compile(r"n\d{8}")
"""A WordNet id, ImageNet's name of a class; `imagenet_names.tsv` has the first word of each of its thousand."""
_ID_AND_NAME = re.compile(r"n\d{8}[-_](?P<name>.+)")


def readable_names(dataset: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """`names` as people say them: numbers and WordNet ids replaced where a name is known, `n02085620-Chihuahua` cut."""
    words = tuple(_WORDS.get(dataset, "").split())
    if len(words) == len(names) and all(name.isdigit() for name in names):
        return words
    return tuple(_readable(name) for name in names)


def _readable(name: str) -> str:
    if not _ID.match(name):
        return name
    match = _ID_AND_NAME.fullmatch(name)
    return match["name"].replace("_", " ") if match else _imagenet_names().get(name, name)


@functools.cache
def _imagenet_names() -> dict[str, str]:
    lines = (Path(__file__).parent / "imagenet_names.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)
