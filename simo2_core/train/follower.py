"""A process that lends its devices to the run of the first one: same program, same calls, nothing written."""

from __future__ import annotations

import contextlib
import dataclasses

from simo2_core.commands import Command, Reason
from simo2_core.config import Config
from simo2_core.run.control import Control
from simo2_core.train.feed import Feed
from simo2_core.train.preparation import Preparation, prepare_with_leader
from simo2_core.train.processes import REASONS, Word, hear, notice_loss, share
from simo2_core.train.step import Step, TrainState, compile_call, planned


def follow(control: Control) -> Reason:
    """Takes part until the leader ends the run; returns the reason, as in `RunFinished`.

    The settings are the leader's. A stop that `control` is asked for is passed on to it.

    Raises:
        ConfigError, DataError: as `prepare_with_leader` does.
        ProcessLostError: the leader or another process is gone.
    """
    with notice_loss("The first process has the run and its checkpoints."):
        ready = prepare_with_leader()
        step, state = _begin(ready, ready.config)
        # the key is that of the state, which a resumed run has from its checkpoint, whatever the settings' seed
        with contextlib.closing(ready.feed(state)) as feed:
            while True:
                word, value, config = _take_part(step, state, feed, control)
                if word == Word.END:
                    return REASONS[value]
                step, state = _begin(ready, config.slowed_down())


def _begin(ready: Preparation, config: Config) -> tuple[Step, TrainState]:
    step, state = ready.begin(config)
    return step, share(state, step.mesh)


def _take_part(step: Step, state: TrainState, feed: Feed, control: Control) -> tuple[Word, int, Config]:
    """Makes every call that the leader makes, until it says something else; with the settings as it has them then."""
    done = int(state.step)
    call = compile_call(dataclasses.replace(step, chunk=feed.chunk), state, feed.data(done))
    while True:
        word, value = hear(stop=any(item.command == Command.STOP for item in control.take()))
        if word == Word.TRAIN:
            state, *_ = call(state, feed.data(done), value)
            done = int(state.step)  # waits for the call
        elif word == Word.PLAN:
            step = step.with_steps(value)
            call = planned(step, call, state, feed.data(done), feed.chunk)
        elif word != Word.HOLD:
            return word, value, step.config
