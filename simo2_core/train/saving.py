"""Which states of a run are on disk: each is saved once, scored, and said when it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from numpy.typing import NDArray

from simo2_core.checkpoints.checkpoint import Checkpoints, Saved, list_steps, read_score
from simo2_core.errors import CheckpointError, RunError
from simo2_core.events import CheckpointSaved, Event, WarningRaised
from simo2_core.run.directory import RunDirectory
from simo2_core.run.files import disk_error
from simo2_core.run.whereabouts import Whereabouts
from simo2_core.train.machine_alarms import Watch, disk_alarm

KEEP_ALL = 2**31
"""Where a run's folder is not in its place, nothing in it is removed."""

CopyOut = Callable[[], Mapping[str, NDArray[Any]]]
"""Copies the state to the host, where it has to be saved."""


class Saver:
    """Saves the states of a run. A save that fails is an alarm while training goes on, and an error where it ends."""

    def __init__(self, run: RunDirectory, keep: int, watch: Watch) -> None:
        """Opens the run's `checkpoints/`, those set aside that should be; raises RunError when it cannot be written."""
        self._run, self._watch = run, watch
        self._where = Whereabouts(run)
        self._gone = False
        try:
            self._checkpoints = Checkpoints(run.checkpoints, keep=keep)
        except OSError as error:
            raise disk_error("opening", run.checkpoints, error) from error
        self._saved = -1
        self.unscored = -1
        """The step whose checkpoint was not evaluated when it was saved: at a stop there is no time for that."""

    def go_on_from(self, checkpoint: Path | None, step: int) -> None:
        """After a start, or after going back: the run is at `step`, as `checkpoint` has it if there is one."""
        self._checkpoints.reload()
        self._saved = -1 if checkpoint is None else step
        self.unscored = -1 if checkpoint is None or read_score(checkpoint) is not None else step

    def has(self, step: int) -> bool:
        """Whether nothing remains to be saved of the state after `step` steps."""
        return self._saved == step != self.unscored

    def save(self, step: int, score: float | None, arrays: CopyOut, meta: Mapping[str, Any]) -> Iterator[Event]:
        """Begins to save a state, or gives its checkpoint the score that it was saved without."""
        if self._saved == step:
            yield from self.give_score(step, score)
            return
        yield from self._look(step)
        if self._gone:
            return
        try:
            saved = self._checkpoints.save(step, arrays(), meta)
        except CheckpointError as error:
            yield disk_alarm(step, str(error))
            return
        self._saved = step
        yield from self._tell(saved)

    @property
    def in_place(self) -> bool:
        """Whether the run's folder was where it should be when it was looked for last."""
        return not self._gone

    def _look(self, step: int) -> Iterator[WarningRaised]:
        """Raises the alarm when the run's folder is gone, and says when it is back."""
        was, self._gone = self._gone, not self._where.in_place()
        if self._gone == was:
            return
        path, now = self._run.path, self._where.now()
        if self._gone:
            message = f"{path} was removed." if now is None else f"{path} is gone: it is {now} now."
            cure = "Training goes on, and saves when it is back; what is trained by then is saved in any case."
        else:
            self._checkpoints.reload()
            message, cure = f"{path} is back.", "Saving goes on."
        yield WarningRaised(step=step, code="folder-gone", message=message, cure=cure)

    def give_score(self, step: int, score: float | None) -> Iterator[Event]:
        """Gives the checkpoint of a stop the score that it would have been saved with, so that it can be the best."""
        if self.unscored != step or score is None:
            return
        self.unscored = -1
        try:
            self._checkpoints.give_score(step, score)
        except OSError as error:
            yield disk_alarm(step, str(disk_error("writing the score of", self._run.checkpoints, error)))

    def poll(self, step: int) -> Iterator[Event]:
        """Says what was saved behind the training, now at `step`, and whether the run's folder is gone; never waits."""
        yield from self._look(step)
        yield from self._try(self._checkpoints.poll, step)

    def settle(self, step: int) -> Iterator[Event]:
        """Waits for the save under way; a failed one says nothing of the next."""
        yield from self._try(self._checkpoints.wait, step)

    def _try(self, finished: Callable[[], list[Saved]], step: int) -> Iterator[Event]:
        try:
            yield from self._tell(finished())
        except CheckpointError as error:
            self._saved = -1
            yield disk_alarm(step, str(error))

    def save_last(self, step: int, arrays: CopyOut, meta: Mapping[str, Any]) -> Iterator[Event]:
        """Saves the state that a run ends with, and waits until it is whole.

        Raises:
            CheckpointError: it cannot be saved, or had to be saved elsewhere: the run's folder is gone.
        """
        yield from self.settle(step)
        yield from self._look(step)
        if self._gone:
            self._save_elsewhere(step, arrays(), meta)
        if self._saved == step:
            return
        yield from self._tell(self._checkpoints.save(step, arrays(), meta))
        yield from self._tell(self._checkpoints.wait())
        self._saved = step

    def _save_elsewhere(self, step: int, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> NoReturn:
        self._where.clear_the_place()
        try:
            run = self._where.found_or_made(meta)
            if step not in list_steps(run.checkpoints):
                checkpoints = Checkpoints(run.checkpoints, keep=KEEP_ALL)
                try:
                    checkpoints.save(step, arrays, meta)
                    checkpoints.wait()
                finally:
                    checkpoints.close()
        except (OSError, RunError) as error:
            raise CheckpointError(f"{self._run.path} is gone, and step {step} could not be saved: {error}") from error
        raise CheckpointError(
            f"{self._run.path} was renamed or removed while it trained: step {step} is saved in "
            f"{run.checkpoints / str(step)}. "
            f"Go on with: simo2 resume {run.path}"
        )

    def _tell(self, saved: list[Saved]) -> Iterator[Event]:
        for item in saved:
            path = self._run.checkpoints / str(item.step)
            self._watch.saw_checkpoint(path)
            where = str(path.relative_to(self._run.path))
            yield CheckpointSaved(step=item.step, path=where, best=item.best, seconds=item.seconds)

    def close(self) -> None:
        """Lets go of the thread that writes, and of the folder."""
        self._checkpoints.close()
        self._where.close()
