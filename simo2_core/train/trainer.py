"""The only training loop: a generator of events. The caller decides what to do with them.

    for event in train(config, run, control):
        ...

The order inside is written once. At a stop between two calls, with n steps taken:

    log       the steps of the call, before anything that could fail
    evaluate  the state n, which is still on the device
    snapshot  the embedding that the evaluation made
    save      the state n; the copy to the host must be done before the next call donates it
    call      steps n+1 …, in place of the state n
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from simo2_core.commands import Asker, Command, Source
from simo2_core.config import Config
from simo2_core.data.dataset import Dataset
from simo2_core.errors import DataError
from simo2_core.events import ControlApplied, Event
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.settings import Cadence
from simo2_core.train.job import Job
from simo2_core.train.memory import out_of_memory
from simo2_core.train.processes import HOLD_SECONDS, notice_loss
from simo2_core.train.step import MAX_STEPS


def train(
    config: Config, run: RunDirectory, control: Control, dataset: Dataset | None = None, *, pictures: bool = True
) -> Iterator[Event]:
    """Trains until `config.steps`, from the newest checkpoint in `run` or from the beginning, and says what happens.

    Nothing happens between two events that are not asked for: not iterating is pausing. `control` can ask for a
    checkpoint, an evaluation or plots, also while it has the run paused, or for a stop, which keeps a checkpoint. The
    test part is read once, at the end of a completed run, with the weights of the last step.

    Args:
        dataset: what to train on, where it is loaded already; by default what `config.data` names.
        pictures: whether to draw the plots, which `simo2 plot` can do later.

    Raises:
        ConfigError: before anything starts.
        DataError: before anything starts, or images could no longer be read; the state has been saved.
        DivergedError: a loss, gradient or embedding was not finite; the state before that step has been saved.
        ProcessLostError: another process of a distributed run is gone.
        OutOfMemoryError: the device or the host has too little memory.
        RunError: the last state could not be saved.
    """
    kept = f"What was saved is kept: start all processes again with --resume {run.path}."
    with notice_loss(kept), out_of_memory(config, run):
        job = Job(config, run, dataset, pictures=pictures)
        try:
            yield from job.begin()
            plan = _Plan(config, job.step, job.unscored)  # after compiling, which is no time to count
            while True:
                if job.diverged:
                    yield from job.recover()
                    plan = _Plan(job.config, job.step, job.unscored)
                if job.step >= config.steps:
                    yield from job.finish()
                    if job.diverged:
                        continue
                    return
                commands = control.take()
                for command in commands:
                    yield ControlApplied(step=job.step, command=command.command, source=command.source)
                asked = {command.command for command in commands}
                if Command.STOP in asked:
                    yield from job.finish_early(next(c.source for c in commands if c.command == Command.STOP))
                    return
                due = set() if control.paused else plan.due(job.step)  # while paused only what is asked for
                if "evaluate" in due or Command.EMBED in asked:
                    yield from job.evaluate()
                if "plot" in due or Command.PLOT in asked:
                    yield from job.plot()
                if "checkpoint" in due or Command.CHECKPOINT in asked:
                    yield from job.save()
                yield from job.poll()
                if job.diverged:
                    continue
                if control.paused:
                    control.wait_while_paused(HOLD_SECONDS)
                    job.hold()
                    continue
                yield job.advance(plan.steps_before_next(job.step))
                if job.stop_passed_on:
                    control.send(Command.STOP, Source(Asker.SIGNAL, "to another process"))
        except DataError as error:
            yield from job.end_without_images(error)
        finally:
            job.close()


class _Plan:
    """When evaluation, plots and checkpoints are due.

    Of `step` they are done, unless its checkpoint has no score: then a stop came before they could be.
    """

    def __init__(self, config: Config, step: int, unscored: int) -> None:
        self._steps = config.steps
        self._cadences: dict[str, Cadence] = {
            "evaluate": config.eval_every,
            "plot": config.plot_every,
            "checkpoint": config.checkpoint_every,
        }
        done = step - (step == unscored)
        self._last = {name: (done, time.monotonic()) for name in self._cadences}

    def due(self, step: int) -> set[str]:
        now = time.monotonic()
        found = {
            name
            for name, cadence in self._cadences.items()
            if cadence.due(step=step, last_step=self._last[name][0], now=now, last_time=self._last[name][1])
        }
        self._last |= dict.fromkeys(found, (step, now))
        return found

    def steps_before_next(self, step: int) -> int:
        until = [cadence.steps_until(step) for cadence in self._cadences.values()]
        return min(self._steps - step, *(steps for steps in until if steps is not None), MAX_STEPS)
