"""A table of images: CSV, TSV or JSON lines with a path, a label and a split in each row.

Paths are relative to the folder of the table and stay in it. A file that is not there is counted and left out, as one
in a folder of images that cannot be read.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import ClassVar

from simo2_core.data.damage import DAMAGE
from simo2_core.data.progress import Report
from simo2_core.data.sources.folder import FileRecords
from simo2_core.data.sources.folder_scan import printable
from simo2_core.data.sources.labelled import (
    IMAGE_KEYS,
    LABEL_KEYS,
    SPLIT_KEYS,
    LabelledSource,
    Raw,
    choose_key,
    plain,
    short,
)
from simo2_core.data.sources.place import Facts, has_suffix, require_memory, split_of
from simo2_core.data.sources.source import Source, SourcePart
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError
from simo2_core.paths import exists, user_path

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_SUFFIXES = (*_SEPARATORS, ".jsonl", ".ndjson")
_PATH_KEYS = ("path", "file_name", "filename", "file", "filepath", "image_path", *IMAGE_KEYS)

_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)


def read_columns(path: Path) -> dict[str, list[object]]:
    """The columns of a text file by name; cells of CSV and TSV are texts, None where they are empty.

    Raises:
        DataError: it cannot be read, a row has another number of cells, or a line is no JSON object.
    """
    if not exists(path):
        raise DataError(f"{printable(str(path))} is not there. Give the path of a table of images.")
    try:
        require_memory(8 * path.stat().st_size, str(path), "Split it, or save it as Parquet.")
        text = path.read_bytes().decode("utf-8-sig")
        return _from_json(path, text) if path.suffix.lower() not in _SEPARATORS else _from_cells(path, text)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8: byte {error.start:,} is not. Convert it.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check the path and its permissions.") from None


def _from_cells(path: Path, text: str) -> dict[str, list[object]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_SEPARATORS[path.suffix.lower()], strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        if len(set(names)) != len(names):
            raise DataError(f"{path} has two columns of one name in its first line. Rename one.")
        columns: dict[str, list[object]] = {name: [] for name in names}
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(names):
                raise DataError(
                    f"{path}, line {reader.line_num:,}, has {len(cells)} cells; the first line has {len(names)}. "
                    "Quote cells that hold a separator."
                )
            for column, cell in zip(columns.values(), cells, strict=True):
                column.append(cell or None)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num:,}, is damaged: {error}. Write it again.") from None
    return columns


def _from_json(path: Path, text: str) -> dict[str, list[object]]:
    rows: list[dict[str, object]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except DAMAGE:
            row = None
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number:,}, is no JSON object. Write one a line.")
        rows.append(row)
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def numbers_as_such(labels: Sequence[object]) -> list[object]:
    """Texts that are all numbers become numbers: whole ones, or floats, which no label can be. `007` stays a text."""
    texts = [label for label in labels if label is not None]
    if all(isinstance(text, str) and _WHOLE.fullmatch(text) for text in texts):
        return [None if label is None else int(str(label)) for label in labels]
    fractions = [text for text in texts if isinstance(text, str) and not text.isdigit()]
    if fractions and all(isinstance(text, str) and _NUMBER.fullmatch(text) for text in texts):
        return [None if label is None else float(str(label)) for label in labels]
    return list(labels)


def open_columns(
    place: Path,
    columns: Mapping[str, list[object]],
    config: DataConfig,
    names: Mapping[str, Sequence[str]] | None = None,
) -> LabelledSource:
    """The images that a table names.

    Args:
        place: the file of the table.
        names: by column, the names of the classes that whole numbers stand for.

    Raises:
        DataError: no column of paths, a path that leaves the folder, or a row without a split among others with one.
    """
    known = list(columns)
    key = choose_key(known, config.image_key, _PATH_KEYS, "--image-key", str(place))
    if key is None:
        listed = ", ".join(map(printable, known)) or "none"
        raise DataError(f"{place} has the columns {listed}; none is called path. Name one: --image-key COLUMN.")
    others = [name for name in known if name != key]
    label_key = choose_key(others, config.label_key, LABEL_KEYS, "--label-key", str(place))
    split_key = choose_key([name for name in others if name != label_key], None, SPLIT_KEYS, "", str(place))
    paths = _inside(place, key, columns[key])
    labels = plain(columns[label_key]) if label_key is not None else [None] * len(paths)
    if place.suffix.lower() in _SEPARATORS:
        labels = numbers_as_such(labels)
    rows = _by_split(place, columns[split_key] if split_key is not None else [None] * len(paths))
    splits, facts = {}, {}
    for split, chosen in rows.items():
        some = tuple(paths[row] for row in chosen)
        splits[split] = Raw(FileRecords(str(place.absolute().parent), some), [labels[row] for row in chosen])
        facts[split] = Facts.of(place.absolute().parent, (place.name, *some), split)
    said = f"paths in {key!r}, " + (f"labels in {label_key!r}" if label_key is not None else "no labels")
    given = names.get(label_key) if names is not None and label_key is not None else None
    taken = said + (f", splits in {split_key!r}" if split_key is not None else "")
    return LabelledSource(place, splits, facts, config, taken=taken, names=given)


def _by_split(place: Path, given: Sequence[object]) -> dict[str, list[int]]:
    """The rows of each split, `train`, `validation` and `test` first."""
    rows: dict[str, list[int]] = {}
    without = 0
    for row, name in enumerate(given):
        without += name is None
        rows.setdefault("train" if name is None else split_of(str(name)) or printable(str(name)), []).append(row)
    if 0 < without < len(given):
        raise DataError(
            f"{without:,} of {len(given):,} rows of {place} have no split. Name one in each row, or in none."
        )
    order = {"train": 0, "validation": 1, "test": 2}
    return {split: rows[split] for split in sorted(rows, key=lambda split: order.get(split, 3))}


def _inside(place: Path, key: str, given: Sequence[object]) -> list[str]:
    """Paths below the folder of the table, relative to it; raises DataError for others, and for pipes and devices."""
    root = str(place.absolute().parent)
    found = []
    for row, path in enumerate(given, 1):
        if not isinstance(path, str) or not path or "\0" in path or path.endswith("/"):
            raise DataError(
                f"row {row:,} of {place} has {short(path)} for a path in {key!r}. Write the path of an image."
            )
        if not path.isascii():
            try:
                os.fsencode(path)
            except UnicodeEncodeError:
                raise DataError(f"row {row:,} of {place} has a path that is no Unicode. Write it again.") from None
        inner = os.path.relpath(path, root) if path.startswith("/") else os.path.normpath(path)
        if inner == ".." or inner.startswith("../") or "://" in path:
            raise DataError(
                f"row {row:,} of {place} leads to {printable(path)}, which lies outside of the table's folder. Put the "
                "table into a folder above its images, and write paths relative to it."
            )
        found.append(inner)
    odd = next((path for path in dict.fromkeys(found) if _is_odd(f"{root}/{path}")), None)
    if odd is not None:
        raise DataError(f"{place} names {printable(odd)}, which is no file. Write the paths of images.")
    return found


def _is_odd(path: str) -> bool:
    """Whether something else than a file is there: whoever opened a pipe might wait for ever."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 (Path costs 5 µs)
    except OSError:  # one that is not there is named later, as unreadable
        return False
    return not S_ISREG(mode) or S_ISDIR(mode)


@dataclass(frozen=True, kw_only=True)
class Table(SourcePart):
    """Tables of paths and labels."""

    name: ClassVar[str] = "table"
    summary: ClassVar[str] = "a table of paths and labels: CSV, TSV or JSON lines, relative to where it lies"
    unused: ClassVar[tuple[str, ...]] = ("data_dir",)

    @classmethod
    def claims(cls, dataset: str) -> bool:
        """A file by its suffix."""
        return has_suffix(dataset, _SUFFIXES)

    def is_on_disk(self, config: DataConfig) -> bool:
        """Whether the file is there."""
        return exists(user_path(config.dataset))

    def open(self, config: DataConfig, report: Report) -> Source:
        """Reads the table, and looks at every file that it names."""
        place = user_path(config.dataset)
        return open_columns(place, read_columns(place), config)
