"""Rows of Parquet and Arrow files, in any order: opened where they are read, once a process, and kept."""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.placement import host_memory_free, human_bytes
from simo2_core.data.pool import cpus
from simo2_core.errors import DataError


class File(Protocol):
    """One open file."""

    schema: Any
    rows: int

    def values(self, column: str) -> list[object]:
        """A whole column."""
        ...

    def cells(self, column: str, rows: Sequence[int]) -> Iterator[object]:
        """The values of a column in some rows."""
        ...

    def require_room(self, column: str) -> None:
        """Raises DataError where reading cells of a column takes more memory than there is."""
        ...


def _values_of(column: Any) -> Callable[[int], object]:
    """What gives the value of a column in a row; of an image that has its bytes, those alone.

    A struct made into a dictionary takes 6 µs, its bytes 0.5: decoding an image of 32 pixels takes 60.
    """
    import pyarrow as pa

    place = column.type.get_field_index("bytes") if pa.types.is_struct(column.type) else -1
    if place < 0:
        return lambda row: column[row].as_py()
    data = pa.chunked_array([chunk.flatten()[place] for chunk in column.chunks], column.type.field(place).type)

    def value_at(row: int) -> object:
        found = data[row].as_py()
        return column[row].as_py() if found is None else found

    return value_at


class _Parquet:
    """A Parquet file: the groups of rows that were read last stay in memory."""

    def __init__(self, path: str) -> None:
        from pyarrow import parquet

        self._path, self._file = path, parquet.ParquetFile(path, memory_map=True)
        self.schema, self.rows = self._file.schema_arrow, int(self._file.metadata.num_rows)
        groups = range(self._file.metadata.num_row_groups)
        sizes = [self._file.metadata.row_group(group).num_rows for group in groups]
        self._starts = np.cumsum([0, *sizes])
        if int(self._starts[-1]) != self.rows or min(sizes, default=0) < 0:
            raise ValueError("its groups hold another number of rows than it says")
        self._group = functools.lru_cache(maxsize=2)(lambda group, column: _values_of(self._read(group, column)))

    def require_room(self, column: str) -> None:
        """Raises DataError where a group of rows is too large for each process that decodes to hold one."""
        meta = self._file.metadata
        largest = max((self._size_of(group, column) for group in range(meta.num_row_groups)), default=0)
        free, processes = host_memory_free(), cpus()
        if 2 * largest * processes > free:  # what was read last is kept beside what is read now
            raise DataError(
                f"{self._path} has its images in groups of {human_bytes(largest)}, and each of {processes} processes "
                f"holds two; {human_bytes(free)} of memory are free. Write it with smaller ones: "
                "pyarrow.parquet.write_table(table, file, row_group_size=1000)."
            )

    def _size_of(self, group: int, column: str) -> int:
        found = self._file.metadata.row_group(group)
        parts = [found.column(place) for place in range(found.num_columns)]
        return sum(part.total_uncompressed_size for part in parts if part.path_in_schema.split(".")[0] == column)

    def _read(self, group: int, column: str) -> Any:
        found = self._file.read_row_group(group, columns=[column]).column(0)
        if len(found) != self._starts[group + 1] - self._starts[group]:
            raise ValueError(f"group {group} holds another number of rows than it says")
        return found

    def values(self, column: str) -> list[object]:
        """A whole column."""
        return [value for group in range(len(self._starts) - 1) for value in self._read(group, column).to_pylist()]

    def cells(self, column: str, rows: Sequence[int]) -> Iterator[object]:
        """The values of a column in some rows."""
        groups = (np.searchsorted(self._starts, rows, side="right") - 1).tolist()
        for group, some in itertools.groupby(zip(groups, rows, strict=True), key=lambda pair: pair[0]):
            value_at, first = self._group(group, column), int(self._starts[group])
            for _, row in some:
                yield value_at(row - first)


class _Arrow:
    """An Arrow file, as a stream or with an index at its end, mapped."""

    def __init__(self, path: str) -> None:
        import pyarrow as pa

        try:
            table = pa.ipc.open_stream(pa.memory_map(path)).read_all()
        except pa.ArrowInvalid:
            table = pa.ipc.open_file(pa.memory_map(path)).read_all()
        table.validate(full=True)  # else an offset that lies would be followed anywhere
        self._table, self.schema, self.rows = table, table.schema, int(table.num_rows)

    def values(self, column: str) -> list[object]:
        """A whole column."""
        found: list[object] = self._table.column(column).to_pylist()
        return found

    def cells(self, column: str, rows: Sequence[int]) -> Iterator[object]:
        """The values of a column in some rows."""
        return map(_values_of(self._table.column(column)), rows)

    def require_room(self, column: str) -> None:
        """It is mapped, and takes none."""


@functools.lru_cache(maxsize=512)
def _open(path: str, state: tuple[int, int]) -> File:
    return _Arrow(path) if path.endswith(".arrow") else _Parquet(path)


class _Guarded:
    """A file whose every fault is one line."""

    def __init__(self, path: str) -> None:
        self._path = path
        with _one_line(path):
            stat = Path(path).stat()
            self._file = _open(path, (stat.st_size, stat.st_mtime_ns))
        self.schema, self.rows = self._file.schema, self._file.rows

    def values(self, column: str) -> list[object]:
        """A whole column."""
        if column not in self.schema.names:
            raise DataError(f"{self._path} has no column {column!r}; it has {', '.join(self.schema.names)}.")
        with _one_line(self._path):
            return self._file.values(column)

    def cells(self, column: str, rows: Sequence[int]) -> Iterator[object]:
        """The values of a column in some rows."""
        with _one_line(self._path):
            yield from self._file.cells(column, rows)

    def require_room(self, column: str) -> None:
        """As of the file."""
        with _one_line(self._path):
            self._file.require_room(column)


@contextlib.contextmanager
def _one_line(path: str) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # pyarrow has a kind of its own for most things
        line = " ".join(str(error).split())[:150] or type(error).__name__
        raise DataError(f"{path} cannot be read, or is damaged ({line}). Fetch it again.") from None


def open_file(path: str) -> File:
    """A Parquet file, or an Arrow file by its suffix; what goes wrong with it is a DataError of one line."""
    return _Guarded(path)


@dataclass(frozen=True, eq=False)
class ParquetRecords:
    """The images of some rows."""

    files: tuple[str, ...]
    places: NDArray[np.int64]
    """(n, 2): which of the files, and the row in it."""
    column: str

    def __len__(self) -> int:
        return len(self.places)

    def take(self, rows: NDArray[np.int64]) -> ParquetRecords:
        """Those of `rows`, in that order."""
        return ParquetRecords(self.files, self.places[rows], self.column)

    def images(self) -> Iterator[bytes | OSError]:
        """The encoded bytes of each; those of a file that a row names where it has no bytes itself."""
        for number, some in itertools.groupby(self.places.tolist(), key=lambda place: int(place[0])):
            path = self.files[number]
            folder = Path(path).parent
            for cell in open_file(path).cells(self.column, [row for _, row in some]):
                yield _bytes_of(cell, folder)

    heads = images

    def names(self) -> Sequence[str]:
        """The file of each and the row in it."""
        stems = [Path(file).name for file in self.files]
        return [f"{stems[number]} row {row}" for number, row in self.places.tolist()]


def _bytes_of(cell: object, folder: Path) -> bytes | OSError:
    given = cell if isinstance(cell, dict) else {"bytes": cell}
    data, path = given.get("bytes"), given.get("path")
    if isinstance(data, bytes):
        return data
    if not isinstance(path, str) or "\0" in path:
        return OSError(errno.ENODATA, "there are no bytes")
    inner = os.path.normpath(path)
    if inner.startswith(("/", "..")):
        return OSError(errno.EACCES, "there are no bytes, and its path leads out of the folder")
    try:
        file = folder / inner
        return file.read_bytes() if file.is_file() else OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    except (OSError, ValueError) as error:
        return error if isinstance(error, OSError) else OSError(errno.EINVAL, os.strerror(errno.EINVAL))
