"""A TFDS data set that is prepared on disk, read without TensorFlow."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.pool import chunks, cpus, run_tasks
from simo2_core.data.progress import Progress, Report
from simo2_core.data.sources.anew import prepare_anew
from simo2_core.data.sources.class_names import readable_names
from simo2_core.data.sources.prepared import Prepared, TfdsName, find
from simo2_core.data.sources.shards import FORMATS, LabelJob, Shard, ShardRecords, shared_records
from simo2_core.data.sources.source import Source, SourcePart, Split
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError, did_you_mean

_TRANSPOSED = frozenset({"emnist"})
"""Data sets whose authors stored columns as rows."""

_TASK = 5000
_WORTH_A_PROCESS = 50_000
"""Below so many records reading the labels is quicker than starting a process for it."""


@dataclass(frozen=True, eq=False)
class TfdsSource(Source):
    """One prepared version of a data set."""

    prepared: Prepared
    image_key: str | None
    label_key: str | None
    report: Report

    @property
    def name(self) -> str:
        """`name[/config]`."""
        return self.prepared.full_name

    @property
    def origin(self) -> str:
        """`name[/config]`."""
        return self.prepared.full_name

    @property
    def splits(self) -> tuple[str, ...]:
        """Those on disk; expressions such as `train[:10%]` and `train+validation` are taken as well."""
        return tuple(self.prepared.splits)

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        """`test`, else `validation`, which then is what papers report; nothing validates unless it is asked for."""
        return {"test": tuple(split for split in ("test", "validation") if split in self.splits)}

    def identity(self, split: str) -> str:
        """A hash of the metadata and of name, size and time of each shard."""
        digest = hashlib.sha256(f"{self.prepared.version} {split}".encode())
        try:
            for path in sorted(self.prepared.path.iterdir()):
                stat = path.stat()
                if path.suffix in (".json", ".txt"):
                    digest.update(path.read_bytes())
                else:
                    digest.update(f"{path.name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
        except OSError as error:
            raise DataError(f"{self.prepared.path} cannot be read: {error.strerror}. Check its permissions.") from None
        return digest.hexdigest()

    def stamp(self, split: str) -> str:
        """A hash of the time of change of each file."""
        try:
            changed = [(path.name, path.stat().st_ctime_ns) for path in sorted(self.prepared.path.iterdir())]
        except OSError as error:
            raise DataError(f"{self.prepared.path} cannot be read: {error.strerror}. Check its permissions.") from None
        return hashlib.sha256(repr(changed).encode()).hexdigest()

    def files(self, split: str) -> str:
        """The name and version, and how many records each split has: they are the same in every format."""
        return f"{self.prepared.full_name} {self.prepared.version} {split} {sorted(self.prepared.splits.items())}"

    def shared(self, first: str, second: str) -> int:
        """How many records two splits, or expressions of splits, have in common."""
        if first.isidentifier() and second.isidentifier():  # whether there are such is said when they are opened
            return self.prepared.splits.get(first, 0) if first == second else 0
        info = self._info()
        return shared_records(self._shards(info, first), self._shards(info, second))

    def split(self, split: str) -> Split:
        """The records of a split, or of a TFDS expression of splits, with their labels."""
        if not self.prepared.readable:
            raise DataError(
                f"{self.prepared.path} is stored as {self.prepared.format}, which needs TensorFlow; "
                f"{', '.join(FORMATS)} do not. Prepare it elsewhere: simo2 data prepare {self.name} --data-dir DIR."
            )
        info = self._info()
        image_key, label_key = choose_features(info, self.image_key, self.label_key, self.name)
        image, label = info.features[image_key], info.features[label_key]
        if np.dtype(image.np_dtype) not in (np.uint8, np.uint16):
            raise DataError(f"{image_key!r} of {self.name} holds {image.np_dtype}; images of 8 or 16 bits are needed.")
        records = ShardRecords(self.prepared.format, self._shards(info, split), image_key)
        return Split(
            split,
            records,
            self._labels(records, label_key, split),
            readable_names(self.prepared.name, tuple(label.names or map(str, range(label.num_classes)))),
            own_shape=tuple(image.shape),
            transposed=self.prepared.name in _TRANSPOSED,
        )

    def _info(self) -> Any:
        import tensorflow_datasets as tfds

        try:
            return tfds.builder_from_directory(self.prepared.path).info
        except Exception as error:  # TFDS raises many kinds for metadata that it cannot understand
            shard = self.prepared.path / f"{self.prepared.name}-"
            raise DataError(f"{self.prepared.path} is damaged: {_one_line(error)}. {prepare_anew(shard)}") from None

    def _shards(self, info: Any, split: str) -> tuple[Shard, ...]:
        try:
            instructions = info.splits[split].file_instructions
        except Exception:  # an unknown name is a KeyError, an expression out of range a ValueError, a typo another
            raise DataError(
                f"{self.name} has no split {split!r}; it has {', '.join(self.splits)}."
                f"{did_you_mean(split, self.splits)} Expressions such as train[:10%] are taken as well."
            ) from None
        shards = []
        for item in instructions:
            take = item.take if item.take is not None and item.take >= 0 else item.examples_in_shard - item.skip
            shards.append(Shard(str(item.filename), int(item.skip), int(take)))
        return tuple(shards)

    def _labels(self, records: ShardRecords, label_key: str, split: str) -> NDArray[np.int32]:
        labels = np.empty(len(records), np.int32)
        tasks = [(begin, records.take(np.arange(begin, end))) for begin, end in chunks(len(records), _TASK)]
        workers = cpus() if len(records) >= _WORTH_A_PROCESS else 0
        done = 0
        for first, some in run_tasks(LabelJob(label_key), tasks, workers):
            labels[first : first + len(some)] = some
            done += len(some)
            self.report(Progress(stage="labels", name=f"{self.name} {split}", done=done, total=len(records)))
        return labels


def choose_features(info: Any, image_key: str | None, label_key: str | None, name: str) -> tuple[str, str]:
    """The image and the label feature: those asked for, else the supervised pair, the only ones, or the usual names.

    Raises:
        DataError: there is none, or several and no telling which; the message lists them.
    """
    from tensorflow_datasets.core import features as kinds

    supervised = info.supervised_keys if isinstance(info.supervised_keys, tuple) else ()
    features = dict(info.features.items()) if hasattr(info.features, "items") else {}

    def choose(kind: type, given: str | None, usual: str, flag: str) -> str:
        found: list[str] = [key for key, feature in features.items() if isinstance(feature, kind)]
        if given is not None:
            if given in found:
                return given
            listed = ", ".join(found) or "none"
            raise DataError(
                f"{name} has no {usual} feature {given!r}; it has: {listed}.{did_you_mean(given, found)} Use {flag}."
            )
        for key in (*map(str, supervised), usual):
            if key in found:
                return key
        if len(found) == 1:
            return found[0]
        raise DataError(
            f"{name} has {len(found)} features that could be the {usual}{': ' + ', '.join(found) if found else ''}. "
            + (f"Choose one with {flag}." if found else "It is no data set of labelled images; choose another.")
        )

    return (
        choose(kinds.Image, image_key, "image", "--image-key"),
        choose(kinds.ClassLabel, label_key, "label", "--label-key"),
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


@dataclass(frozen=True, kw_only=True)
class Tfds(SourcePart):
    """TFDS data sets."""

    name: ClassVar[str] = "tfds"
    summary: ClassVar[str] = "a data set of TFDS by its name[/config][:version], prepared where it is not yet"
    last: ClassVar[bool] = True

    @classmethod
    def claims(cls, dataset: str) -> bool:
        """Any name: one that TFDS does not have is refused with the nearest ones."""
        return True

    def is_on_disk(self, config: DataConfig) -> bool:
        """Whether a version that can be read is prepared."""
        return any(prepared.readable for prepared in find(TfdsName.parse(config.dataset), config.data_dir))

    def open(self, config: DataConfig, report: Report) -> Source:
        """Downloads and writes what is not on disk yet."""
        from simo2_core.data.prepare import find_or_prepare

        prepared = find_or_prepare(config.dataset, config.data_dir, report=report)
        return TfdsSource(prepared, config.image_key, config.label_key, report)
