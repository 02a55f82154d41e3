"""Who writes down what a run says."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from simo2_core.errors import NewerFormatError, RunError
from simo2_core.events import (
    CheckpointSaved,
    Compiled,
    ControlApplied,
    Evaluated,
    Event,
    PlotSaved,
    RolledBack,
    RunFinished,
    RunStarted,
    StepsLogged,
    WarningRaised,
    WeightsLoaded,
    from_line,
)
from simo2_core.run.directory import DAMAGED, RunDirectory
from simo2_core.run.files import disk_error, write_whole


class EventLog:
    """Appends events to `events.jsonl`: whole lines only, and none lost to a disk that is full for a while."""

    def __init__(self, path: Path) -> None:
        """Opens the log for appending and cuts off a torn last line; raises RunError when it cannot."""
        self._path = path
        self._pending: list[bytes] = []
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._end = _end_of_last_line(self._file)
            os.ftruncate(self._file, self._end)
        except OSError as error:
            raise disk_error("opening", path, error) from error

    def write(self, event: Event) -> OSError | None:
        """Appends one event. When the disk refuses, the line waits for the next call and the error is returned."""
        self._pending.append(event.to_line().encode() + b"\n")
        try:
            data = b"".join(self._pending)
            done = 0
            while done < len(data):
                done += os.pwrite(self._file, data[done:], self._end + done)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._end)
            return error
        self._end += len(data)
        self._pending.clear()
        return None

    def sync(self) -> None:
        """Makes what was written survive a power cut."""
        with contextlib.suppress(OSError):
            os.fsync(self._file)

    def close(self) -> None:
        """Closes the file."""
        self.sync()
        os.close(self._file)


def _end_of_last_line(descriptor: int) -> int:
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - 65536)
        cut = os.pread(descriptor, end - start, start).rfind(b"\n")
        if cut >= 0:
            return start + cut + 1
        end = start
    return 0


def rewind(run: RunDirectory, step: int) -> int:
    """Drops what the log and the snapshots say of steps after `step`: a run resumed there says everything once.

    Returns: how many damaged lines were dropped as well, a torn last one not counted.

    Raises:
        NewerFormatError: a newer simo2 wrote lines of it, which would be dropped.
        RunError: the disk refuses.
    """
    if not run.events_path.exists():
        return 0
    kept, damaged = [], 0
    newer: list[RunError] = []
    try:
        for line in run.events_path.read_bytes().split(b"\n")[:-1]:
            try:
                event = from_line(line)
            except NewerFormatError as error:
                newer.append(error)
                continue
            except RunError:
                damaged += 1  # a damaged line is worth less than a run that continues
                continue
            last = event.last_step if isinstance(event, StepsLogged) else event.step
            if last <= step:
                kept.append(line + b"\n")
        if len(newer) > 1:  # one alone is a damaged digit: a start writes several
            raise NewerFormatError(f"{run.events_path}: {newer[0]}")
        write_whole(run.events_path, b"".join(kept))
    except OSError as error:
        raise disk_error("writing", run.events_path, error) from error
    for path in run.embeddings.glob("*.npz"):
        if path.stem.isdecimal() and int(path.stem) > step:
            with contextlib.suppress(OSError):
                path.unlink()
    return damaged + len(newer)


def record(events: Iterable[Event], run: RunDirectory, *, say: Callable[[str], None] | None = None) -> Iterator[Event]:
    """Passes events on after writing them to the run's `events.jsonl` and `train.log`.

    A resumed run begins again at its first event's step: what an earlier start logged of later steps is dropped.

    Args:
        say: also gets each line that `train.log` gets.
    """
    log: EventLog | None = None
    refused = False
    try:
        for event in events:
            if log is None or isinstance(event, RolledBack):
                if log is not None:
                    log.close()
                    log = None
                damaged = rewind(run, event.step)
                log = EventLog(run.events_path)
                notes = [_lines_lost(run, event.step, damaged)] if damaged else []
                notes += [WarningRaised(step=event.step, code="owner", **note._asdict()) for note in run.notes]
                run.notes = []
                for warning in notes:
                    log.write(warning)
                    yield warning
            error = log.write(event)
            if isinstance(event, CheckpointSaved):
                log.sync()
            if error and not refused:
                warning = WarningRaised(
                    step=event.step,
                    code="disk",
                    message=str(disk_error("writing", run.events_path, error)),
                    cure="Training goes on; the lines are kept in memory and written when there is room.",
                )
                log.write(warning)
                yield warning
            refused = error is not None
            line = describe(event)
            if line:
                _append_text(run.log_path, line)
                if say:
                    say(line)
            yield event
    finally:
        if log is not None:
            log.close()


def _lines_lost(run: RunDirectory, step: int, count: int) -> WarningRaised:
    return WarningRaised(
        step=step,
        code=DAMAGED,
        message=f"{count} {'line' if count == 1 else 'lines'} of {run.events_path} could not be read and are dropped.",
        cure="Only charts miss them; the state comes from the checkpoint. Check the disk.",
    )


def _append_text(path: Path, line: str) -> None:
    with contextlib.suppress(OSError), path.open("a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")


def describe(event: Event) -> str:
    """The event as one plain line for people; empty for events that are better drawn than told."""
    match event:
        case RunStarted():
            at = f"resumed at step {event.step} of {event.steps}" if event.step else f"{event.steps} steps"
            return (
                f"run {event.run}: {at}, {event.parameters:,} parameters, "
                f"{event.classes_per_batch} classes x {event.samples_per_class} samples, D {event.embedding_size}, "
                f"{event.train_images:,} training, {event.validation_images:,} validation, "
                f"{event.test_images:,} test images, on {event.device}"
                + (f"; images {event.placement.removesuffix('.')}" if event.placement else "")
            )
        case WeightsLoaded():
            counted = f"{len(event.loaded)} arrays of the encoder, {len(event.fresh)} fresh, {len(event.unused)} unused"
            names = [f"{word} {', '.join(which)}" for word, which in (("fresh", event.fresh), ("unused", event.unused))
                     if which]  # fmt: skip
            return f"weights of {event.path}: {counted}{' (' + '; '.join(names) + ')' if names else ''}"
        case Compiled():
            return f"compiled in {event.seconds:.1f} s"
        case Evaluated():
            return (
                f"step {event.step} {event.split} kNN@20: representation {event.knn_representation:.2%}, "
                f"projection {event.knn_projection:.2%}, raw pixels {event.knn_raw_pixels:.2%} "
                f"({event.images:,} images, {event.bank:,} vote); effective rank {event.effective_rank:.1f}"
                + (f"; classifier {event.classifier:.2%}" if event.classifier is not None else "")
            )
        case CheckpointSaved():
            return f"step {event.step} checkpoint {event.path}{' (best so far)' if event.best else ''}"
        case PlotSaved():
            return f"step {event.step} plot {event.path}"
        case WarningRaised():
            return f"step {event.step} warning {event.code}: {event.message} {event.cure}"
        case ControlApplied():
            return f"step {event.step} {event.command}, asked by {event.source}"
        case RolledBack():
            return (
                f"step {event.from_step} was not finite: back to step {event.step}, learning rate now "
                f"{event.learning_rate:.3g}; {event.left} more {'time' if event.left == 1 else 'times'} allowed"
            )
        case RunFinished():
            return f"step {event.step} {event.reason}: {event.message}"
        case _:
            return ""
