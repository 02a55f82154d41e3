"""Records of a prepared TFDS data set, in array_record, tfrecord or parquet, without TensorFlow.

A record is a serialized `tf.train.Example`; only its image or its label is taken out. Readers are opened where
the records are read, once a process, and kept.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.sources.anew import prepare_anew
from simo2_core.data.sources.tfrecord import open_tfrecord
from simo2_core.errors import DataError

FORMATS = ("array_record", "tfrecord", "parquet")
"""What can be read here. TFDS also writes riegeli, whose reader needs TensorFlow."""

_BATCH = 256
"""Records asked for at once: array_record unpacks neighbours together."""

T = TypeVar("T")

Reader = Callable[[Sequence[int]], Sequence[bytes]]
"""Gives the records of one file at some positions."""


class DamagedRecord(DataError):
    """A record that is not what TFDS writes."""


@dataclass(frozen=True)
class Shard:
    """A run of records of one file: those from `skip` on, `take` of them."""

    path: str
    skip: int
    take: int


@dataclass(frozen=True, eq=False)
class ShardRecords:
    """The image of each record of `shards`, or of some `rows` of them."""

    format: str
    shards: tuple[Shard, ...]
    image_key: str
    rows: NDArray[np.int64] | None = None
    """Positions in all shards laid end to end; None for every one."""

    def __len__(self) -> int:
        return sum(shard.take for shard in self.shards) if self.rows is None else len(self.rows)

    def take(self, rows: NDArray[np.int64]) -> ShardRecords:
        """Those of `rows`, in that order."""
        return ShardRecords(self.format, self.shards, self.image_key, rows if self.rows is None else self.rows[rows])

    def names(self) -> Sequence[str]:
        """File and position of each record."""
        return [f"{Path(path).name} record {position}" for path, positions in self._runs() for position in positions]

    def images(self) -> Iterator[bytes | OSError]:
        """The encoded image of each record."""
        yield from self._values(lambda record: image_of(record, self.image_key))

    heads = images

    def labels(self, label_key: str) -> NDArray[np.int32]:
        """(len(self),) label of each record."""
        return np.fromiter(self._values(lambda record: label_of(record, label_key)), np.int32, len(self))

    def _values(self, take: Callable[[bytes], T]) -> Iterator[T]:
        for path, positions in self._runs():
            records = read_shard(self.format, path, positions)
            for position, record in zip(positions, records, strict=True):
                try:
                    yield take(record)
                except DamagedRecord as error:
                    raise DataError(f"{path} is damaged: record {position:,} {error}. {prepare_anew(path)}") from None

    def _runs(self) -> Iterator[tuple[str, list[int]]]:
        """Rows grouped by file, the order kept: path and the positions in it."""
        starts = np.cumsum([0] + [shard.take for shard in self.shards])
        rows = np.arange(len(self)) if self.rows is None else self.rows
        if not len(rows):
            return
        which = np.searchsorted(starts, rows, side="right") - 1
        for group in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(which)) + 1):
            shard = self.shards[which[group[0]]]
            yield shard.path, (rows[group] - starts[which[group[0]]] + shard.skip).tolist()


def shared_records(first: Sequence[Shard], second: Sequence[Shard]) -> int:
    """How many records two runs of shards have in common."""
    return sum(
        max(0, min(one.skip + one.take, other.skip + other.take) - max(one.skip, other.skip))
        for one in first
        for other in second
        if one.path == other.path
    )


@dataclass(frozen=True)
class LabelJob:
    """Reads the labels of records, for `pool.run_tasks`; a task is (first row, records)."""

    label_key: str

    def run(self, task: tuple[int, ShardRecords]) -> tuple[int, NDArray[np.int32]]:
        """The first row, and the label of each record from it on."""
        first, records = task
        return first, records.labels(self.label_key)


def image_of(record: bytes, key: str) -> bytes:
    """The bytes stored under `key` of a serialized Example; raises DataError when there are none."""
    values = _feature(record, key).bytes_list.value
    if len(values) != 1:
        raise DataError(f"a record has {len(values)} values under {key!r} instead of one image. Use --image-key.")
    return bytes(values[0])


def label_of(record: bytes, key: str) -> int:
    """The integer stored under `key` of a serialized Example; raises DataError when there is none."""
    values = _feature(record, key).int64_list.value
    if len(values) != 1:
        raise DataError(f"a record has {len(values)} values under {key!r} instead of one label. Use --label-key.")
    return int(values[0])


def _feature(record: bytes, key: str) -> Any:
    try:
        return _example_class().FromString(record).features.feature[key]
    except Exception as error:  # protobuf's DecodeError is another class in each of its implementations
        raise DamagedRecord(f"is no Example ({' '.join(str(error).split())[:100]})") from None


@functools.cache
def _example_class() -> Any:
    from tensorflow_datasets.proto import tf_example_pb2  # without TensorFlow this is a plain protobuf class

    return tf_example_pb2.Example


@functools.lru_cache(maxsize=1100)  # ImageNet has 1,024 shards; a reader costs a descriptor and a small buffer
def open_shard(format: str, path: str) -> Reader:
    """Random access to the records of one file; raises DataError when it is missing or damaged."""
    try:
        return {"array_record": _array_record, "tfrecord": _tfrecord, "parquet": _parquet}[format](path)
    except DataError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())[:200]}. {prepare_anew(path)}") from None


def read_shard(format: str, path: str, positions: Sequence[int]) -> Iterator[bytes]:
    """The records of one file at `positions`; raises DataError when it is missing, damaged, or has fewer."""
    read = open_shard(format, path)
    for begin in range(0, len(positions), _BATCH):
        try:
            records = read(positions[begin : begin + _BATCH])
        except (OSError, ValueError, RuntimeError, IndexError) as error:  # array_record checks its own hashes
            line = " ".join(str(error).split())[:200]
            raise DataError(f"{path} is damaged: {line}. {prepare_anew(path)}") from None
        yield from records


def _array_record(path: str) -> Reader:
    from array_record.python import array_record_module

    # no read-ahead: rows are asked for by position
    reader = array_record_module.ArrayRecordReader(path, options="readahead_buffer_size:0,max_parallelism:0")

    def read(positions: Sequence[int]) -> Sequence[bytes]:
        records: list[bytes] = reader.read(list(positions))
        return records

    return read


def _tfrecord(path: str) -> Reader:
    return open_tfrecord(path).read


def _parquet(path: str) -> Reader:
    from pyarrow import parquet

    column = parquet.ParquetFile(path).read().column(0)  # TFDS writes one column of serialized Examples

    def read(positions: Sequence[int]) -> Sequence[bytes]:
        return [value.as_py() for value in column.take(list(positions))]

    return read
