"""TFDS data sets that somebody has prepared already: where they are, in which version and format.

Read from `dataset_info.json` alone, so that listing a disk full of data sets imports nothing.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from simo2_core.bounds import shown
from simo2_core.data.damage import DAMAGE
from simo2_core.data.sources.shards import FORMATS
from simo2_core.errors import DataError
from simo2_core.paths import user_path

_NAME = re.compile(
    r"(?P<name>(?=[\w-]*[a-zA-Z])\w[\w-]*)(/(?P<config>[\w.+-]+))?(:(?P<version>\d+\.\d+\.\d+))?", re.ASCII
)


@dataclass(frozen=True)
class TfdsName:
    """`name[/config][:version]` taken apart."""

    name: str
    config: str | None
    version: str | None

    @classmethod
    def parse(cls, text: str) -> TfdsName:
        """Raises DataError when `text` cannot be the name of a data set."""
        match = _NAME.fullmatch(text)
        if not match or len(text) > 200:  # a longer one is no name of a file either
            raise DataError(
                f"{shown(text)} is neither a folder nor a data set's name. "
                "Give digits, a TFDS name such as cifar10 or eurosat/rgb, or the path of images."
            )
        return cls(match["name"], match["config"], match["version"])

    def __str__(self) -> str:
        return self.name + (f"/{self.config}" if self.config else "")


@dataclass(frozen=True)
class Prepared:
    """A version of a data set on disk."""

    path: Path
    name: str
    config: str
    """Empty where the data set has no configs."""
    version: str
    format: str
    splits: dict[str, int]
    """Records of each split."""
    bytes: int
    """Of all its records, encoded."""

    @property
    def readable(self) -> bool:
        """Whether it can be read without TensorFlow."""
        return self.format in FORMATS

    @property
    def full_name(self) -> str:
        """`name[/config]`."""
        return f"{self.name}/{self.config}" if self.config else self.name


def data_dirs(data_dir: str | None) -> list[Path]:
    """Where prepared data sets are looked for; the first is where new ones go."""
    if data_dir:
        return [user_path(data_dir).absolute()]
    home = user_path("~/tensorflow_datasets").absolute()  # of a user without a home, a folder that is not there
    given = os.environ.get("TFDS_DATA_DIR")
    return list(dict.fromkeys([user_path(given).absolute(), home])) if given else [home]


def find_all(data_dir: str | None) -> list[Prepared]:
    """Every data set on disk, by name, the newest version of each first."""
    found = [
        prepared
        for folder in data_dirs(data_dir)
        for pattern in ("*/*/dataset_info.json", "*/*/*/dataset_info.json")
        for prepared in map(_read, _glob(folder, pattern))
        if prepared is not None
    ]
    return sorted(found, key=lambda item: (item.full_name, [-part for part in _numbers(item.version)]))


def find(wanted: TfdsName, data_dir: str | None) -> list[Prepared]:
    """Every version of a data set on disk, the newest first; without a config the default one."""
    found: list[Prepared] = []
    for folder in data_dirs(data_dir):
        home = folder / wanted.name
        config = wanted.config if wanted.config is not None else _default_config(home)
        place = home / config if config else home
        found += [prepared for prepared in map(_read, _glob(place, "*/dataset_info.json")) if prepared is not None]
    found = [prepared for prepared in found if wanted.version in (None, prepared.version)]
    return sorted(found, key=lambda item: _numbers(item.version), reverse=True)


def _default_config(home: Path) -> str | None:
    """What TFDS notes as the default when it prepares a data set with configs; else the only one there is."""
    try:
        return str(json.loads((home / ".config" / "metadata.json").read_text())["default_config_name"])
    except DAMAGE:
        pass
    if _glob(home, "*/dataset_info.json"):
        return None
    configs = {path.parent.parent.name for path in _glob(home, "*/*/dataset_info.json")}
    return configs.pop() if len(configs) == 1 else None


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def _length(text: object) -> int:
    length = int(str(text))
    if not 0 <= length < 2**40:
        raise ValueError("no number of records")
    return length


def _read(path: Path) -> Prepared | None:
    try:
        info = json.loads(path.read_text())
        splits = {split["name"]: sum(map(_length, split.get("shardLengths", ()))) for split in info["splits"]}
        size = sum(int(split.get("numBytes", 0)) for split in info["splits"])
        return Prepared(
            path.parent,
            str(info["name"]),
            str(info.get("configName", "")),
            str(info["version"]),
            str(info.get("fileFormat", "tfrecord")),  # TFDS before 4.4 knew no other and did not say
            splits,
            size,
        )
    except DAMAGE:
        return None
