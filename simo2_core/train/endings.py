"""How a start of a run ends: done, stopped, left while compiling, diverged, or failed."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from simo2_core.checkpoints.checkpoint import find_checkpoint, list_steps
from simo2_core.commands import Reason, Requester
from simo2_core.errors import CheckpointError, DataError, DivergedError, PartError
from simo2_core.events import Event, RunFinished, WarningRaised
from simo2_core.train import processes
from simo2_core.train.divergence import why_diverged
from simo2_core.train.plotting import Plotter
from simo2_core.train.saving import Saver
from simo2_core.train.training import Training


class Endings:
    """Each saves what there is to save, and says `RunFinished` as its last event."""

    def __init__(self, training: Training, saver: Saver, plotter: Plotter) -> None:
        self._training, self._saver, self._plotter = training, saver, plotter

    def complete(self) -> Generator[Event, None, bool]:
        """Evaluates and saves the last state, reads test, and draws the pictures; False where it `diverged`."""
        training = self._training
        if not training.evaluated:
            yield from training.evaluate()
        if training.diverged:
            return False
        steps, minutes = training.config.steps, training.config.minutes
        time = f" in {training.clock.spent / 60:.1f} of {minutes:g} minutes" if minutes else ""
        ended = steps == training.ready.most_steps
        passes = f", as --max-passes {training.config.max_passes} has it" if ended else ""
        return (yield from self._conclude(Reason.COMPLETED, f"{steps} steps done{time}{passes}"))

    def settle(self) -> Generator[Event, None, bool]:
        """What `complete` does, before the last step: nothing came further for as long as the settings wait."""
        awaited = self._training.followed.awaited(self._training.config.patience_on)
        return (yield from self._conclude(Reason.SETTLED, f"{awaited.told}, as --patience has it"))

    def _conclude(self, reason: Reason, message: str) -> Generator[Event, None, bool]:
        """Saves the last state and reads the test part: by the best state where the run waits for none better."""
        training = self._training
        yield from self._save_or_fail()
        yield from self._saver.give_score(training.taken, training.score)
        self._plotter.request(training.taken, last=True)
        if training.config.patience:
            yield from training.evaluate_saved(find_checkpoint(training.run.checkpoints, "best"), "test")
        else:
            yield from training.evaluate("test")
        if self._training.diverged:
            return False
        yield from self._plotter.finish()
        yield self._finished(reason, message)
        return True

    def stop(self, source: Requester) -> Iterator[Event]:
        """Saves the state as it is, at once; the test part stays unread."""
        yield from self._save_or_fail()
        yield from self._plotter.poll()
        yield self._finished(source.reason, f"at step {self._training.taken}, asked by {source}")

    def leave(self, source: Requester) -> Iterator[Event]:
        """Ends before a step was taken, while compiling: what there is to save is on disk already."""
        yield self._finished(source.reason, f"before the first step, while it was compiled, asked by {source}")

    def give_up(self, rollbacks: int) -> Iterator[Event]:
        """Saves the last good state and raises DivergedError.

        Args:
            rollbacks: how often the run went back before.
        """
        training = self._training
        message, cure = why_diverged(training.diverged, training.config, training.taken, rollbacks)
        yield WarningRaised(step=training.taken, code="diverged", message=message, cure=cure)
        message = f"{message} {cure}"
        yield from self._save_or_fail()
        yield self._finished(Reason.DIVERGED, message)
        raise DivergedError(message)

    def fail(self, error: DataError | PartError) -> Iterator[Event]:
        """Saves the state as it is and raises what keeps the run from going on: no images, or somebody's own part."""
        yield from self._save_or_fail()
        yield self._finished(Reason.FAILED, str(error))
        if self._training.taken == 0:
            raise error
        kept = f"Step {self._training.taken} is kept: simo2 resume {self._training.run.path} goes on from it."
        raise type(error)(f"{error} {kept}") from error

    def _save_or_fail(self) -> Iterator[Event]:
        training = self._training
        if training.taken == 0:
            return
        try:
            yield from self._saver.save_last(training.taken, training.arrays, training.meta())
        except CheckpointError as error:
            yield self._finished(Reason.FAILED, str(error))
            raise

    def _finished(self, reason: Reason, message: str) -> RunFinished:
        training = self._training
        checkpoints = training.run.checkpoints
        steps = list_steps(checkpoints)
        processes.lead(processes.Word.END, processes.REASONS.index(reason))
        return RunFinished(
            step=training.taken,
            reason=reason,
            message=message,
            checkpoint=f"{checkpoints.name}/{steps[-1]}" if steps else None,
            seconds=dict(training.clock.seconds),
        )
