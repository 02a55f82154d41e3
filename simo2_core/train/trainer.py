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

from collections.abc import Generator, Iterator, Set

from simo2_core.checkpoints.recovery import newest_sound, require_ahead, set_aside
from simo2_core.commands import Asker, Command, Requester
from simo2_core.config import Config
from simo2_core.data.dataset import Dataset
from simo2_core.errors import DataError, PartError, RunError
from simo2_core.events import ControlApplied, Event
from simo2_core.faults import naming_faults
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.train.beginning import introduce
from simo2_core.train.endings import Endings
from simo2_core.train.environment import write_settings
from simo2_core.train.machine_alarms import Watch, disk_alarm
from simo2_core.train.memory import out_of_memory
from simo2_core.train.plotting import Plotter
from simo2_core.train.preparation import Preparation, prepare
from simo2_core.train.processes import HOLD_SECONDS, Word, lead, notice_loss
from simo2_core.train.rollback import Rollback
from simo2_core.train.saving import Saver
from simo2_core.train.timetable import Timetable
from simo2_core.train.training import Training, taken_so_far


def train(
    config: Config, run: RunDirectory, control: Control, dataset: Dataset | None = None, *, pictures: bool = True
) -> Iterator[Event]:
    """Trains until `config.steps`, from the newest checkpoint in `run` or from the beginning, and says what happens.

    Nothing happens between two events that are not asked for: not iterating is pausing. `control` can ask for a
    checkpoint, an evaluation or plots, also while it has the run paused, or for a stop, which keeps a checkpoint. The
    test part is read once, at the end of a completed run, with the weights of the last step, or their average where the
    run keeps one; with `patience` those of the best.

    Args:
        dataset: what to train on, where it is loaded already; by default what `config.data` names.
        pictures: whether to draw the plots, which `simo2 plot` can do later.

    Raises:
        ConfigError: before anything starts.
        DataError: before anything starts, or images could no longer be read; the state has been saved.
        PartError: a part that is not simo2's own raised; the state has been saved, where steps were taken.
        DivergedError: a loss, gradient or embedding was not finite; the state before that step has been saved.
        ProcessLostError: another process of a distributed run is gone.
        OutOfMemoryError: the device or the host has too little memory.
        RunError: the last state could not be saved.
    """
    kept = f"What was saved is kept: start all processes again with --resume {run.path}."
    require_ahead(config, run)
    with naming_faults(), notice_loss(kept), out_of_memory(config, run):
        work = _Work(prepare(config, dataset, new=not _begun_before(run)), run, pictures=pictures)
        try:
            with naming_faults():
                yield from _train(work, control)
        except (DataError, PartError) as error:
            yield from work.endings.fail(error)
        finally:
            work.close()


def _begun_before(run: RunDirectory) -> bool:
    """Whether an earlier start decided what settings leave open: `config` has it, from wherever it was read."""
    try:
        return "precision" in run.facts
    except RunError:  # lost or damaged: `config` is of the newest checkpoint
        return True


class _Work:
    """A run between two events: its state on the device, and those who save it, draw it, bring it back and end it."""

    def __init__(self, ready: Preparation, run: RunDirectory, *, pictures: bool) -> None:
        self.recovery = newest_sound(run.checkpoints)
        ready = ready.with_room(*taken_so_far(self.recovery))
        ready.tell()
        self.training = Training(ready, run, self.recovery)
        set_aside(self.recovery)
        self.watch = Watch(run.path)
        self.saver = Saver(run, ready.config.keep, self.watch)
        self.saver.go_on_from(self.recovery.checkpoint, self.training.taken)
        self.plotter = Plotter(run, enabled=pictures)
        self.rollback = Rollback(self.training, self.saver)
        self.endings = Endings(self.training, self.saver, self.plotter)
        self.plan_written = True

    def timetable(self) -> Timetable:
        """From now on, with the settings as they are now."""
        return Timetable(self.training.config, self.training.taken, self.saver.unscored)

    def evaluate(self, *, counts: bool = False) -> Iterator[Event]:
        """Evaluates the state; where the run ends when none is better for long, the best so far is saved at once."""
        training = self.training
        yield from training.evaluate(counts=counts)
        if training.config.patience and training.evaluated and training.followed.knn.is_best:
            yield from self.save()

    def evaluate_once(self) -> Iterator[Event]:
        """Evaluates the state unless that is done."""
        if not self.training.evaluated:
            yield from self.evaluate()

    @property
    def settled(self) -> bool:
        """Whether what is followed has come no further for as long as the settings wait."""
        config = self.training.config
        return 0 < config.patience <= self.training.followed.awaited(config.patience_on).since

    def save(self) -> Iterator[Event]:
        """Begins to save the state, evaluated first so that the best checkpoint can be told."""
        training = self.training
        if self.saver.has(training.taken):
            return
        yield from self.evaluate_once()
        if not training.diverged:
            yield from self.saver.save(training.taken, training.score, training.arrays, training.meta())

    def do(self, due: Set[str], asked: Set[str]) -> Iterator[Event]:
        """Evaluates, plots and saves, whichever of it is due or asked for, in this order."""
        wanted = due | asked
        if "evaluate" in wanted:
            yield from self.evaluate(counts="evaluate" in due)
        if "plot" in wanted:
            yield from self.evaluate_once()
            self.plotter.request(self.training.taken)
        if "checkpoint" in wanted:
            yield from self.save()

    def write_plan(self) -> Iterator[Event]:
        """Writes the settings with the steps of a new plan; if the disk refuses, the next plan or the end tries it."""
        self.plan_written = False
        if self.saver.in_place:
            try:
                write_settings(self.training.run, self.training.config, self.training.data)
                self.plan_written = True
            except RunError as error:
                yield disk_alarm(self.training.taken, str(error))

    def poll(self) -> Iterator[Event]:
        """Says what finished behind the training: pictures, checkpoints."""
        yield from self.plotter.poll()
        yield from self.saver.poll(self.training.taken)
        yield from self.watch.alarms(self.training.taken)

    def close(self) -> None:
        """Lets go of threads and children."""
        self.training.feed.close()
        self.saver.close()
        self.plotter.close()


def _train(work: _Work, control: Control) -> Iterator[Event]:
    training = work.training
    write_settings(training.run, training.config, training.data)
    yield from introduce(training, work.recovery)
    if not (yield from _compile(work, control)):
        return
    timetable = work.timetable()
    while True:
        if training.diverged:
            if not work.rollback.allowed:
                yield from work.endings.give_up(work.rollback.times)
            yield from work.rollback.go_back()
            if not (yield from _compile(work, control)):
                return
            timetable = work.timetable()
        if training.taken >= training.config.steps:
            if not work.plan_written:
                yield from work.write_plan()
            if (yield from work.endings.complete()):
                return
            continue
        asked, stopped_by = yield from _take(control, training)
        if stopped_by is not None:
            yield from work.endings.stop(stopped_by)
            return
        # while paused only what is asked for, and nothing just before the end, where all is done
        waits = control.paused or not training.budget.has_room
        due = set() if waits else timetable.due(training.taken)
        start = training.clock.seconds["evaluate"]
        yield from work.do(due, asked)
        timetable.did(due, training.taken, training.clock.seconds["evaluate"] - start)
        yield from work.poll()
        if training.diverged:
            continue
        if work.settled:
            if (yield from work.endings.settle()):
                return
            continue
        if control.paused:
            control.wait_while_paused(HOLD_SECONDS)
            lead(Word.HOLD)  # the other processes learn that this one is still there
            continue
        logged = training.advance(timetable.steps_before_next(training.taken))
        work.watch.saw_call(logged)
        yield logged
        if not training.diverged:
            for told in training.plan(timetable.looks):
                timetable.plan(training.config.steps)
                yield from work.write_plan()
                yield told
        if training.stop_passed_on:
            control.send(Command.STOP, Requester(Asker.SIGNAL, "to another process"))


_ASKED = {Command.EMBED: "evaluate", Command.PLOT: "plot", Command.CHECKPOINT: "checkpoint"}


def _take(control: Control, training: Training) -> Generator[Event, None, tuple[set[str], Requester | None]]:
    """Says which commands came; returns what they ask for, and who asks to stop, if anybody does."""
    requests = control.take()
    for request in requests:
        yield ControlApplied(step=training.taken, command=request.command, source=request.source)
    stops = [request.source for request in requests if request.command == Command.STOP]
    return {_ASKED[request.command] for request in requests if request.command in _ASKED}, next(iter(stops), None)


def _compile(work: _Work, control: Control) -> Generator[Event, None, bool]:
    """Compiles; returns False when the run was stopped meanwhile, which is then said."""
    compiled = work.training.compile(lambda: control.stop_asked)
    if compiled is not None:
        yield compiled
        return True
    _, stopped_by = yield from _take(control, work.training)
    assert stopped_by is not None
    yield from work.endings.leave(stopped_by)
    return False
