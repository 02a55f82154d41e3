"""A run that has taken no step: pretrained weights as its first checkpoint, for all that is done with checkpoints."""

from __future__ import annotations

import math
from collections.abc import Iterator

from simo2_core.checkpoints.recovery import newest_sound
from simo2_core.commands import Reason
from simo2_core.config import Config
from simo2_core.data.dataset import Dataset
from simo2_core.evaluation.restore import write_snapshot
from simo2_core.events import Event, RunFinished
from simo2_core.run.directory import RunDirectory
from simo2_core.train.beginning import started
from simo2_core.train.environment import write_settings
from simo2_core.train.machine_alarms import Watch
from simo2_core.train.preparation import prepare
from simo2_core.train.saving import Saver
from simo2_core.train.training import Training


def adopt(config: Config, run: RunDirectory, dataset: Dataset | None = None) -> Iterator[Event]:
    """Saves what a run begins with as the checkpoint of step 0, and the embedding of validation for the console.

    Nothing is measured and nothing trained: `simo2 eval` measures, and embeds every image for it.

    Raises:
        ConfigError: a setting that cannot work with these data.
        DataError: the data set is missing, unreadable or unfit.
        RunError: the weights are damaged or do not fit, or the disk refuses.
    """
    training = Training(prepare(config, dataset), run, newest_sound(run.checkpoints))
    saver = Saver(run, config.keep, Watch(run.path))
    try:
        write_settings(run, config, training.data)
        saved = list(saver.save_last(0, training.arrays, training.meta()))  # first: a run that cannot be is not begun
        yield started(training, math.nan)
        if training.weights is not None:
            yield training.weights
        yield from saved
        yield write_snapshot(run, run.checkpoints / "0", training.data)
        yield RunFinished(
            step=0,
            reason=Reason.STOPPED,
            message="the weights are as they were; simo2 resume trains them",
            checkpoint=f"{run.checkpoints.name}/0",
            seconds=dict(training.clock.seconds),
        )
    finally:
        training.feed.close()
        saver.close()
