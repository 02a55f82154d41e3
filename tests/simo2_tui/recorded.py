"""A run as it would have been written: the same files that training leaves, with numbers made up by arithmetic."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from simo2_core import events
from simo2_core.commands import Reason
from simo2_core.presets import PRESETS
from simo2_core.run.directory import RunDirectory
from simo2_core.run.event_file import EventLog

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def embedding(share: float, per_class: int = 14, dimensions: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows that go from a crowd (`share` 0) to one direction a class (`share` 1)."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10, dtype=np.int32), per_class)
    axes = np.eye(10, dimensions)
    axes[7] = -axes[1] * 0.95 + 0.05 * axes[7]
    crowd = np.ones(dimensions) / np.sqrt(dimensions)
    z = share * axes[labels] + (1 - share) * crowd + rng.normal(0, 0.12 + 0.1 * (1 - share), (len(labels), dimensions))
    return (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32), labels


def write_snapshot(run: RunDirectory, step: int, share: float) -> events.EmbeddingSnapshot:
    z, labels = embedding(share)
    pixels = np.random.default_rng(1).integers(0, 255, (len(labels), 8, 8, 1), np.uint8)
    np.savez(run.embeddings / "thumbnails.npz", images=pixels)
    np.savez(run.embeddings / f"{step}.npz", embedding=z, labels=labels, class_names=np.array(NAMES), step=step)
    return events.EmbeddingSnapshot(step=step, path=f"embeddings/{step}.npz", images=len(z))


def started(run: RunDirectory, steps: int) -> events.RunStarted:
    return events.RunStarted(
        run=str(run.path), steps=steps, parameters=284_321, class_names=NAMES, classes_per_batch=10,
        samples_per_class=16, embedding_size=16, train_images=1294, validation_images=143, test_images=360,
        device="1 cpu", raw_pixels_knn=0.972,
    )  # fmt: skip


def logged(first: int, count: int, steps: int, *, bad: int | None = None) -> events.StepsLogged:
    step = np.arange(first, first + count)
    rng = np.random.default_rng(first)
    share = step / steps
    noise = 1 + 0.05 * rng.normal(size=count)
    same = (1200 * np.exp(-6 * share) + 20) * noise
    mean, diff = 45 + 60 * np.exp(-8 * share) * noise, 720 + 900 * np.exp(-7 * share) * noise
    total = same + mean + diff
    if bad is not None and first <= bad < first + count:
        total[bad - first] = np.nan
    return events.StepsLogged(
        step=first,
        total=tuple(total),
        terms={"same": tuple(same), "mean": tuple(mean), "diff": tuple(diff)},
        grad_norm=tuple(900 * np.exp(-3 * share) * noise),
        learning_rate=tuple(4e-3 * (1 + np.cos(np.pi * share)) / 2),
        steps_per_second=10.4 + rng.normal() * 0.3,
        images_per_second=1664 + rng.normal() * 40,
        data_wait=0.01,
    )


def evaluated(step: int, share: float, split: str = "validation") -> events.Evaluated:
    return events.Evaluated(
        step=step, split=split, images=143, bank=1295, knn_representation=0.995 - 0.2 * np.exp(-6 * share),
        knn_projection=0.993 - 0.45 * np.exp(-6 * share), knn_raw_pixels=0.972,
        effective_rank=1.5 + 7.4 * (1 - np.exp(-4 * share)), same_class_cosine=0.94 * share + 0.03,
        different_class_cosine=0.5 - 0.4 * share, largest_class_cosine=-0.91, seconds=0.4,
        stuck_pairs=0.08 * (1 - share),
    )  # fmt: skip


def write_run(
    run_dir: Path,
    name: str = "digits-demo",
    *,
    upto: int = 280,
    steps: int = 400,
    finish: str | None = None,
    bad: int | None = None,
    seed: int = 0,
) -> RunDirectory:
    """A run directory as far as step `upto`."""
    run = RunDirectory.create(run_dir, name, PRESETS["digits"].config.replace({"steps": steps, "seed": seed}))
    log = EventLog(run.events_path)
    log.write(started(run, steps))
    log.write(events.Compiled(step=0, seconds=6.2))
    for first in range(1, upto + 1, 4):
        log.write(logged(first, min(4, upto + 1 - first), steps, bad=bad))
        last = min(first + 3, upto)
        if last % 40 == 0:
            log.write(evaluated(last, last / steps))
            log.write(write_snapshot(run, last, last / steps))
        if last % 100 == 0:
            log.write(events.CheckpointSaved(step=last, path=f"checkpoints/{last}", best=last == 200, seconds=0.05))
    if bad is not None:
        log.write(events.WarningRaised(step=bad, code="not-finite", message="the loss is NaN.", cure="Lower it."))
    if finish:
        log.write(evaluated(upto, 1.0, "test"))
        seconds = {"compile": 6.2, "train": 27.4, "evaluate": 1.1}
        log.write(
            events.RunFinished(
                step=upto,
                reason=Reason[finish.upper()],
                message="done",
                checkpoint=f"checkpoints/{upto}",
                seconds=seconds,
                time=time.time(),
            )
        )
    log.close()
    return run
