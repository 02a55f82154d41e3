"""Who writes down what a run says."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from simo2_core.events import (
    CheckpointSaved,
    Compiled,
    ControlApplied,
    Evaluated,
    Event,
    Planned,
    PlotSaved,
    RolledBack,
    RunFinished,
    RunStarted,
    WarningRaised,
    WeightsLoaded,
)
from simo2_core.run.contained import open_to_append
from simo2_core.run.directory import RunDirectory
from simo2_core.run.event_file import DAMAGED, EventLog, drop_after
from simo2_core.run.files import disk_error
from simo2_core.run.time_left import in_words, is_left
from simo2_core.visible import visible


def rewind(run: RunDirectory, step: int) -> int:
    """Drops what the log and the snapshots say of steps after `step`: a run resumed there says everything once.

    Returns: how many damaged lines were dropped as well, a torn last one not counted.

    Raises:
        NewerFormatError: a newer simo2 wrote lines of it, which would be dropped.
        RunError: the disk refuses.
    """
    damaged = drop_after(run.events_path, step)
    for path in run.embeddings.glob("*.npz"):
        if path.stem.isdecimal() and int(path.stem) > step:
            with contextlib.suppress(OSError):
                path.unlink()
    return damaged


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
    with contextlib.suppress(OSError), open_to_append(path) as file:
        file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n".encode("utf-8", "backslashreplace"))


def describe(event: Event) -> str:
    """The event as one plain line for people; empty for events that are better drawn than told.

    What a stranger's log has in it of escape bytes and the like is written out.
    """
    return visible(_describe(event))


def _batch(event: RunStarted) -> str:
    if event.one_by_one:
        return f"batches of {event.classes_per_batch * event.samples_per_class} images drawn one by one"
    return f"{event.classes_per_batch} classes x {event.samples_per_class} samples"


def _describe(event: Event) -> str:
    match event:
        case RunStarted():
            at = f"resumed at step {event.step} of {event.steps}" if event.step else f"{event.steps} steps"
            if event.seconds_left is not None:
                resumed = f"resumed at step {event.step}, {is_left(event.seconds_left)}"
                at = resumed if event.step else f"{in_words(event.seconds_left)}, whose steps are planned"
            return (
                f"run {event.run}: {at}, {event.parameters:,} parameters, "
                f"{_batch(event)}, D {event.embedding_size}, "
                f"{event.train_images:,} training, {event.validation_images:,} validation, "
                f"{event.test_images:,} test images, on {event.device}"
                + (f"; images {event.placement.removesuffix('.')}" if event.placement else "")
                + "".join(f"; {why.removesuffix('.')}" for why in (event.precision, event.decided) if why)
            )
        case WeightsLoaded():
            counted = f"{len(event.loaded)} arrays of the encoder, {len(event.fresh)} fresh, {len(event.unused)} unused"
            names = [
                f"{word} {', '.join(which)}"
                for word, which in (("fresh", event.fresh), ("unused", event.unused))
                if which
            ]
            return f"weights of {event.path}: {counted}{' (' + '; '.join(names) + ')' if names else ''}"
        case Planned():
            return f"step {event.step} plans {event.steps:,} steps: {is_left(event.seconds_left)}"
        case Compiled():
            return f"compiled in {event.seconds:.1f} s"
        case Evaluated():
            return (
                f"step {event.step} {event.split} kNN@20: representation {event.knn_representation:.2%}, "
                f"projection {event.knn_projection:.2%}, raw pixels {event.knn_raw_pixels:.2%} "
                f"({event.images:,} images, {event.bank:,} vote); effective rank {event.effective_rank:.1f}"
                + (f"; classifier {event.classifier:.2%}" if event.classifier is not None else "")
                + (f"; over views kNN {event.knn_views:.2%}" if event.knn_views is not None else "")
                + (f", classifier {event.classifier_views:.2%}" if event.classifier_views is not None else "")
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
