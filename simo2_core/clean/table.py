"""The doubted images as a table, which the source of tables reads as a data set: CSV, TSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from simo2_core.clean.find import Findings
from simo2_core.data.sources.folder_scan import printable
from simo2_core.errors import ConfigError
from simo2_core.run.files import require_place, write_into

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
"""Of the tables that are written."""


class TableRow(NamedTuple):
    """One image. What is empty is None."""

    place: str
    """Its path, in the column `path`; where it is no file its name, in the column `id`."""
    label: str | None
    split: str
    suggested: str | None
    """The label that its neighbours speak for; its own where that is not doubted."""
    score: float | None
    """Of the first of its kinds: the doubt of a label, a correlation, how far an outlier lies."""
    kind: str | None
    """`label`, `leak`, `conflict`, `duplicate`, `outlier`, or several of these with a plus between."""
    duplicate_of: str | None
    """The other image of the pair that is most alike."""


def require_new_table(path: Path, *, overwrite: bool) -> None:
    """Raises ConfigError unless a table can be written to `path`, with a picture beside it: cheap, before the work."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--out is {path}; it must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}.")
    for file in (path, sheet_beside(path)):
        require_place(file, folder=False)
        if file.exists() and not overwrite:
            raise ConfigError(f"{file} is there already. Name another with --out, or write over it with --overwrite.")


def sheet_beside(path: Path) -> Path:
    """Where the picture to a table goes."""
    return path.with_suffix(".png")


def write_table(path: Path, found: Findings, *, every: bool = False) -> int:
    """Writes a row for each doubted image, and returns how many.

    Paths are relative to the table where all images lie below its folder, else absolute: see `can_be_read_back`.

    Args:
        every: whether to write a row for each image, in the order of the parts.

    Raises:
        ConfigError: the name has another suffix.
        RunError: the disk refuses.
    """
    rows = list(_rows(found, _places(path, found), every))
    columns = ("path" if found.files is not None else "id", *TableRow._fields[1:])
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        content = _parquet(columns, rows)
    elif suffix == ".jsonl":
        lines = (json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) for row in rows)
        content = "".join(f"{line}\n" for line in lines).encode()
    elif suffix in (".csv", ".tsv"):
        text = io.StringIO(newline="")
        # Python below 3.13 leaves a carriage return without the quotes that it must have
        quoting: Literal[0, 1] = csv.QUOTE_ALL if any("\r" in row.place for row in rows) else csv.QUOTE_MINIMAL
        delimiter = "," if suffix == ".csv" else "\t"
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=quoting)
        writer.writerow(columns)
        writer.writerows(rows)
        content = text.getvalue().encode()
    else:
        raise ConfigError(f"{path} must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}.")
    write_into(path, content, option="--out")
    return len(rows)


def can_be_read_back(path: Path, found: Findings) -> bool:
    """Whether the table at `path` is a data set: its images are files below its folder."""
    below = f"{_folder(path).rstrip('/')}/"
    return found.files is not None and all(os.path.normpath(file).startswith(below) for file in found.files)


def _folder(path: Path) -> str:
    return os.path.normpath(path.absolute().parent)


def _places(path: Path, found: Findings) -> list[str]:
    if found.files is None:
        return found.names
    below, folder = can_be_read_back(path, found), _folder(path)
    return [_in_unicode(os.path.relpath(file, folder) if below else file) for file in found.files]


def _in_unicode(path: str) -> str:
    """The path itself, but for bytes that are no text: these no table can hold."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return printable(path)
    return path


def _rows(found: Findings, places: list[str], every: bool) -> Iterator[TableRow]:
    kinds: dict[int, list[tuple[str, float]]] = {}
    partners: dict[int, int] = {}
    doubts = found.doubts
    for row in found.mislabelled.tolist():
        assert doubts is not None
        kinds.setdefault(row, []).append(("label", float(doubts.doubt[row])))
    for pair in found.pairs:
        kind = "leak" if found.is_leak(pair) else "conflict" if found.is_conflict(pair) else "duplicate"
        for row, other in ((pair.first, pair.second), (pair.second, pair.first)):
            if row not in partners:
                partners[row] = other
                kinds.setdefault(row, []).append((kind, pair.correlation))
    for row in found.outliers.tolist():
        kinds.setdefault(row, []).append(("outlier", float(found.outlying[row])))
    for row in range(len(found)) if every else kinds:
        own = None if doubts is None else found.class_names[int(found.labels[row])]
        doubted = doubts is not None and bool(doubts.doubted[row])
        suggested = found.class_names[int(doubts.suggested[row])] if doubts is not None and doubted else own
        mine = kinds.get(row, [])
        score = mine[0][1] if mine else float(doubts.doubt[row]) if doubts is not None else None
        yield TableRow(
            places[row],
            own,
            found.parts[int(found.part[row])],
            suggested,
            None if score is None else round(score, 4),
            "+".join(name for name, _ in mine) or None,
            places[partners[row]] if row in partners else None,
        )


def _parquet(columns: tuple[str, ...], rows: list[TableRow]) -> bytes:
    import pyarrow as pa  # comes with tensorflow-datasets
    import pyarrow.parquet as pq

    kinds = [pa.float64() if name == "score" else pa.string() for name in columns]
    cells = [pa.array([row[place] for row in rows], kind) for place, kind in enumerate(kinds)]
    buffer = io.BytesIO()
    pq.write_table(pa.table(dict(zip(columns, cells, strict=True))), buffer)
    return buffer.getvalue()
