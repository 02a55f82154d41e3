"""The process that decodes: reads a job, then tasks, from its standard input; answers each on its standard output.

Started as `python -m simo2_core.data.worker`, not through multiprocessing: a fork would copy jax's threads, and a
spawn would run the user's own script again. It must not import jax.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import pickle
import sys
import warnings
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.decode import Rule, UnreadableImage, backend, decode_image
from simo2_core.data.pixels import header, write_at
from simo2_core.data.sources.source import Records
from simo2_core.faults import part_error
from simo2_core.parts import ReferencedFiles


class Job(Protocol):
    """What is done with each task; travels to the worker once, by pickle."""

    def run(self, task: Any) -> Any:
        """Does one task; its answer must pickle."""
        ...


@dataclass(frozen=True, eq=False)
class DecodeTask:
    """Some records, and the row of the array that each goes to."""

    records: Records
    rows: NDArray[np.int64]


class DecodedImage(NamedTuple):
    """What became of a `DecodeTask`."""

    rows: NDArray[np.int64]
    """(n,) those of the task."""
    digests: NDArray[np.uint8]
    """(n, 16) the hash of each record's bytes; zeros for one that cannot be opened, or where none was asked for."""
    bad: list[tuple[int, str, str]]
    """The records that cannot be read: row, name and reason of each."""


def digest(data: bytes | OSError) -> bytes:
    """What tells an encoded image from every other: 16 bytes, zeros where there is none."""
    return bytes(16) if isinstance(data, OSError) else hashlib.blake2b(data, digest_size=16).digest()


@dataclass(frozen=True)
class DecodeJob:
    """Decodes records into rows of a `.npy` file that exists already, of (N, height, width, channels) uint8."""

    path: Path
    rule: Rule
    transposed: bool = False
    hashing: bool = False
    """Whether to hash what is decoded."""

    @functools.cached_property
    def _out(self) -> tuple[int, int]:
        """The open file and where its first row begins."""
        images = np.load(self.path, mmap_mode="r", allow_pickle=False)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, descriptor)
        return descriptor, len(header(images.shape))

    def run(self, task: DecodeTask) -> DecodedImage:
        """Raises OSError when the disk is full."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about size and odd metadata: the decoder judges the size itself
            return self._run(task)

    def _run(self, task: DecodeTask) -> DecodedImage:
        (out, begin), size = self._out, math.prod(self.rule.shape)
        names, bad, digests = None, [], np.zeros((len(task.rows), 16), np.uint8)
        for position, (row, data) in enumerate(zip(task.rows.tolist(), task.records.images(), strict=True)):
            try:
                if isinstance(data, OSError):
                    raise UnreadableImage(f"cannot be opened: {data.strerror}")
                if self.hashing:
                    digests[position] = np.frombuffer(digest(data), np.uint8)
                pixels = decode_image(data, self.rule)
            except UnreadableImage as error:
                names = names or task.records.names()
                bad.append((row, names[position], str(error)))
                continue
            pixels = np.ascontiguousarray(pixels.swapaxes(0, 1) if self.transposed else pixels)
            write_at(out, pixels.data.cast("B"), begin + row * size)
        return DecodedImage(task.rows, digests, bad)


@dataclass(frozen=True)
class DigestJob:
    """Hashes records without decoding them; a task is (first row, records)."""

    def run(self, task: tuple[int, Records]) -> tuple[int, NDArray[np.uint8]]:
        """The first row, and (n, 16) the hash of each record from it on."""
        first, records = task
        hashes = b"".join(digest(data) for data in records.images())
        return first, np.frombuffer(hashes, np.uint8).reshape(-1, 16)


def main() -> None:
    """Serves until standard input ends."""
    stdin, stdout = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not break the conversation
    sys.meta_path.append(ReferencedFiles())
    if backend() != "pillow":
        import cv2

        cv2.setNumThreads(1)  # there is a process for each processor already
    try:
        job: Job = pickle.load(stdin)
        while True:
            task = pickle.load(stdin)
            try:
                answer: tuple[bool, Any] = (True, job.run(task))
            except Exception as error:  # whatever it is belongs to the parent
                answer = (False, part_error(error) or error)  # its traceback does not travel
            pickle.dump(answer, stdout, protocol=pickle.HIGHEST_PROTOCOL)
            stdout.flush()
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


if __name__ == "__main__":
    main()
