"""Runs a job's tasks on worker processes, each fed by a thread that waits for its answers."""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import queue
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, cast

import numpy as np

from simo2_core.child import child_environment, module_command, scratch_file
from simo2_core.data.worker import Job
from simo2_core.errors import DataError

_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_TRIM_THRESHOLD_": str(1 << 28)}
"""glibc gives the buffers of each image back to the system and takes new ones: 60 page faults at 224 px, and a tenth of
the time. With these it keeps them."""


def cpus() -> int:
    """Processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


class WorkerDiedError(DataError):
    """A worker process ended in the middle of a task, or before it."""


class Worker:
    """One worker process, as its parent sees it. Not for two threads at once."""

    def __init__(self, job: Job) -> None:
        self._errors = scratch_file()
        self._process = subprocess.Popen(
            module_command("simo2_core.data.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_MALLOC | child_environment(),
            start_new_session=True,  # Ctrl+C is the parent's to handle
        )
        self._stdin = cast(BinaryIO, self._process.stdin)
        self._stdout = cast(BinaryIO, self._process.stdout)
        self._send(job)

    def run(self, task: Any) -> Any:
        """The answer to `task`; raises what the job raised, or WorkerDiedError."""
        self._send(task)
        try:
            ok, answer = pickle.load(self._stdout)
        except Exception:  # pickle has many for bytes that are none of its own
            self._process.kill()
            raise self._death() from None
        if not ok:
            raise answer
        return answer

    def _send(self, value: Any) -> None:
        try:
            pickle.dump(value, self._stdin, protocol=pickle.HIGHEST_PROTOCOL)
            self._stdin.flush()
        except (BrokenPipeError, ValueError):
            raise self._death() from None

    def _death(self) -> WorkerDiedError:
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()[-1:]
        why = f"signal {-code}, often too little memory" if code < 0 else f"exit code {code}"
        return WorkerDiedError(f"a decoding process died ({why}{': ' + said[0] if said else ''}). Try again.")

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for stream in (self._stdin, self._stdout, self._errors):
            with contextlib.suppress(OSError):
                stream.close()


class Crew:
    """Some worker processes with one job. Use it as a context manager, or close it.

    A worker that dies is replaced and its task tried once more: the system may have ended it for want of memory, which
    should not end a run of days.
    """

    def __init__(self, job: Job, workers: int) -> None:
        self._job = job
        self._workers = [Worker(job) for _ in range(workers)]
        self._closed, self._lock = False, threading.Lock()

    def map(self, tasks: Sequence[Any]) -> Iterator[Any]:
        """Yields the answers in the order in which they come; the first error ends it, and the crew with it."""
        answers: queue.Queue[tuple[bool, Any]] = queue.Queue()
        waiting: queue.Queue[Any] = queue.Queue()
        for task in tasks:
            waiting.put(task)

        def feed(place: int) -> None:
            with contextlib.suppress(queue.Empty):
                while True:
                    task = waiting.get_nowait()
                    try:
                        answers.put((True, self._run(place, task)))
                    except Exception as error:  # raised again by the consumer
                        answers.put((False, error))
                        return

        threads = [threading.Thread(target=feed, args=(place,), daemon=True) for place in range(len(self._workers))]
        for thread in threads:
            thread.start()
        done = 0
        try:
            for _ in range(len(tasks)):
                ok, answer = answers.get()
                if not ok:
                    raise answer
                yield answer
                done += 1
        finally:
            if done < len(tasks):
                _drain(waiting)
                self.close()
            for thread in threads:
                thread.join()

    def _run(self, place: int, task: Any) -> Any:
        worker = self._workers[place]
        try:
            return worker.run(task)
        except WorkerDiedError:
            with self._lock:
                if self._closed:
                    raise
                worker.close()
                worker = self._workers[place] = Worker(self._job)
            return worker.run(task)

    def close(self) -> None:
        """Ends the processes, whatever they are doing."""
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.close()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def run_tasks(job: Job, tasks: Sequence[Any], workers: int) -> Iterator[Any]:
    """Yields the answers in the order in which they come; the first error ends it.

    With `workers` of 0 the tasks run in this process: starting one costs more than decoding a thousand digits.
    """
    if not workers:
        for task in tasks:
            yield job.run(task)
        return
    with Crew(job, min(workers, len(tasks))) as crew:
        yield from crew.map(tasks)


def _drain(tasks: queue.Queue[Any]) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            tasks.get_nowait()


def chunks(count: int, size: int) -> Iterable[tuple[int, int]]:
    """(begin, end) of runs of at most `size` of `count` items."""
    return ((begin, min(begin + size, count)) for begin in range(0, count, size))


def even_chunks(count: int, size: int, workers: int) -> Iterable[tuple[int, int]]:
    """As `chunks`, but of equal length and as many for each worker: no worker waits for another's last."""
    rounds = -(-count // (size * workers))
    bounds = np.linspace(0, count, min(count, rounds * workers) + 1).astype(int).tolist()
    return itertools.pairwise(bounds)
