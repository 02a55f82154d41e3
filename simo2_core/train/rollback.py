"""Going back from a loss that is not finite, as `--on-nan rollback` has it."""

from __future__ import annotations

from collections.abc import Iterator

from simo2_core.checkpoints.recovery import back_from, set_aside
from simo2_core.events import Event, Planned, RolledBack
from simo2_core.train import processes
from simo2_core.train.beginning import of_state
from simo2_core.train.divergence import LOSS
from simo2_core.train.environment import write_settings
from simo2_core.train.saving import Saver
from simo2_core.train.training import Training


class Rollback:
    """Counts how often a run went back."""

    def __init__(self, training: Training, saver: Saver) -> None:
        self._training, self._saver = training, saver
        self.times = 0

    @property
    def allowed(self) -> bool:
        """Whether the settings let the run go back once more, and there is anything to go back from."""
        config = self._training.config
        may = config.on_nan == "rollback" and self.times < config.rollbacks
        return may and self._training.taken > 0 and self._saver.in_place

    def go_back(self) -> Iterator[Event]:
        """Takes the newest sound state before this one, with a lower learning rate; its call is yet to be compiled.

        Raises:
            RunError: no checkpoint is sound, or the disk refuses.
        """
        training = self._training
        yield from self._saver.settle(training.taken)
        self.times += 1
        processes.lead(processes.Word.GO_BACK)
        bad = training.taken + (training.diverged == LOSS)
        recovery = back_from(training.run.checkpoints, training.taken)
        training.go_to(recovery, training.config.slowed_down())
        set_aside(recovery)
        self._saver.go_on_from(recovery.checkpoint, training.taken)
        write_settings(training.run, training.config, training.data)
        rate, left = training.config.optim.learning_rate, training.config.rollbacks - self.times
        yield RolledBack(step=training.taken, from_step=bad, learning_rate=rate, left=left)
        if training.budget.planned:  # what the log said of it may be of the steps that are dropped
            yield Planned(step=training.taken, steps=training.config.steps, seconds_left=training.budget.counted)
        yield from of_state(training, recovery)
