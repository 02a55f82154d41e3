"""A process that lends its devices to the run of the first one: same program, same calls, nothing written."""

from __future__ import annotations

import contextlib
import dataclasses
import json

from simo2_core.commands import Command, Reason
from simo2_core.config import Config
from simo2_core.data.load import load_dataset
from simo2_core.errors import DataError
from simo2_core.run.control import Control
from simo2_core.train.environment import keep_compiled_programs
from simo2_core.train.feed import Feed, drawn_from
from simo2_core.train.processes import REASONS, Word, hear, notice_loss, share, share_bytes
from simo2_core.train.step import Step, TrainState, compile_call, make_training


def follow(control: Control) -> Reason:
    """Takes part until the leader ends the run; returns the reason, as in `RunFinished`.

    The settings are the leader's. A stop that `control` is asked for is passed on to it.

    Raises:
        DataError: this process finds other images than the leader.
        ProcessLostError: the leader or another process is gone.
    """
    keep_compiled_programs()
    with notice_loss("The first process has the run and its checkpoints."):
        terms = json.loads(share_bytes(b""))
        config = Config.from_json(terms["config"])
        dataset = load_dataset(config.data)
        if dataset.fingerprint != terms["fingerprint"]:
            raise DataError(
                f"{dataset.name} holds other images here than in the first process (fingerprint "
                f"{dataset.fingerprint!r}, there {terms['fingerprint']!r}). Give every process the same files."
            )
        drawn = drawn_from(dataset, config)
        step, state = make_training(config, len(drawn.train.counts), dataset.image_shape)
        with contextlib.closing(Feed(drawn, config, state, terms["where"])) as feed:
            while True:
                word, value = _take_part(step, share(state, step.mesh), feed, control)
                if word == Word.END:
                    return REASONS[value]
                config = config.slowed_down()
                step, state = make_training(config, len(drawn.train.counts), dataset.image_shape)


def _take_part(step: Step, state: TrainState, feed: Feed, control: Control) -> tuple[Word, int]:
    """Makes every call that the leader makes, until it says something else."""
    done = int(state.step)
    call = compile_call(dataclasses.replace(step, chunk=feed.chunk), state, feed.data(done))
    while True:
        word, value = hear(stop=any(item.command == Command.STOP for item in control.take()))
        if word == Word.TRAIN:
            state, *_ = call(state, feed.data(done), value)
            done = int(state.step)  # waits for the call
        elif word != Word.HOLD:
            return word, value
