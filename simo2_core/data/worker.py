"""The process that decodes: reads a job, then tasks, from its standard input; answers each on its standard output.

Started as `python -m simo2_core.data.worker`, not through multiprocessing: a fork would copy jax's threads, and a
spawn would run the user's own script again. It must not import jax.
"""

from __future__ import annotations

import functools
import os
import pickle
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.decode import Rule, UnreadableImage, backend, decode_image
from simo2_core.data.sources.source import Records


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


@dataclass(frozen=True)
class DecodeJob:
    """Decodes records into rows of a `.npy` file that exists already, of (N, height, width, channels) uint8."""

    path: Path
    rule: Rule
    transposed: bool = False

    @functools.cached_property
    def _out(self) -> NDArray[np.uint8]:
        # mapped once: 37 page faults for each image of 224 px otherwise; a plain array: indexing a memmap makes another
        return np.asarray(np.load(self.path, mmap_mode="r+"))

    def run(self, task: DecodeTask) -> list[tuple[int, str, str]]:
        """The records that cannot be read: row, name and reason of each."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about size and odd metadata: the decoder judges the size itself
            return self._run(task)

    def _run(self, task: DecodeTask) -> list[tuple[int, str, str]]:
        out, names, bad = self._out, None, []
        for position, (row, data) in enumerate(zip(task.rows.tolist(), task.records.images(), strict=True)):
            try:
                if isinstance(data, OSError):
                    raise UnreadableImage(f"cannot be opened: {data.strerror}")
                pixels = decode_image(data, self.rule)
            except UnreadableImage as error:
                names = names or task.records.names()
                bad.append((row, names[position], str(error)))
                continue
            out[row] = pixels.swapaxes(0, 1) if self.transposed else pixels
        return bad


def main() -> None:
    """Serves until standard input ends."""
    stdin, stdout = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not break the conversation
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
                answer = (False, error)
            pickle.dump(answer, stdout, protocol=pickle.HIGHEST_PROTOCOL)
            stdout.flush()
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


if __name__ == "__main__":
    main()
