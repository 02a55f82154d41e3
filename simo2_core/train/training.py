"""The state of a run on the device: it takes steps, is evaluated, and is copied out to be saved."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.embed import TrainedEncoder, compile_embed
from simo2_core.background import wait_or_leave
from simo2_core.checkpoints.checkpoint import evaluated, load, name_leaves, read_meta
from simo2_core.checkpoints.recovery import Recovery
from simo2_core.compiling import exact_products
from simo2_core.config import TRAINING_LOSS, Config
from simo2_core.data.dataset import DataPart, Dataset
from simo2_core.errors import DivergedError
from simo2_core.evaluation.evaluate import (
    Classify,
    Evaluation,
    alarms,
    evaluate,
    looked_at,
    raw_pixels_knn,
    result_alarms,
    save_snapshot,
)
from simo2_core.evaluation.thumbnails import save_thumbnails
from simo2_core.events import Compiled, Event, Planned, StepsLogged, WeightsLoaded
from simo2_core.run.directory import RunDirectory
from simo2_core.run.files import disk_error
from simo2_core.run.rising import Followed, MeanLoss
from simo2_core.train import processes
from simo2_core.train.budget import Budget, Clock, Looks
from simo2_core.train.devices import on_one_device, put_whole
from simo2_core.train.divergence import EMBEDDING, LOSS
from simo2_core.train.finetune import load_weights
from simo2_core.train.machine_alarms import disk_alarm
from simo2_core.train.memory import Chunking, out_of_memory, require_memory
from simo2_core.train.preparation import Preparation
from simo2_core.train.restoring import Origin, followed_until, restore
from simo2_core.train.step import Call, Measured, Step, TrainState, compile_call, planned

CALL_SECONDS = 0.25
"""How long a call should last: short enough that stop and pause feel instant, long enough to hide the host."""
SLOW_CALL_SECONDS = 2.0
FEW_STEPS = 4
"""Slow steps share a call, up to so many of them and so long: every call asks the system for its memory anew.

airbench, 500 whole images in bfloat16, milliseconds a step of 1, 2 and 4 steps a call: 957, 879 and 840 (jax 0.12.0.1
on 2 cores, 2026-11-29).
"""


class Training:
    """Owns the state between two calls. It saves nothing, and decides nothing of when."""

    def __init__(self, ready: Preparation, run: RunDirectory, recovery: Recovery) -> None:
        """Takes the state that `recovery` names, or the beginning."""
        self.ready, self.run = ready, run
        self.data = ready.data
        self._terms = [name for name in ready.config.objective.terms(2, 2) if name != "total"]  # as charts have it
        self.weights: WeightsLoaded | None = None
        """What the encoder began with, where that is not what the seed draws."""
        self._warned: set[str] = set()
        self.stop_passed_on = False
        """Whether another process of the run has been asked to stop."""
        self.clock = Clock(taken_so_far(recovery)[1])
        self.go_to(recovery, ready.config)
        batches = sum(map(len, looked_at(self.data, "validation"))) / ready.batch_size
        self.budget = Budget(ready.config.minutes, self.clock, batches, ready.most_steps, self.taken)
        """Of a run that trains for a time: what is left of it."""
        self.feed = ready.feed(self.state)
        """The images of the next steps; to be closed at the end."""
        self._embed = compile_embed(self._step.network)

    def go_to(self, recovery: Recovery, config: Config) -> None:
        """Takes the state of a checkpoint or of the beginning, to go on with `config`; `compile` comes next.

        Raises:
            CheckpointError: the checkpoint is damaged, of another network, or was trained on other images.
        """
        self.config = config
        self._step, state = self.ready.begin(config, fit=recovery.checkpoint is None)
        self.origin: Origin | None = None
        """Of the checkpoint that the state was in."""
        if recovery.checkpoint is not None:
            state, self.origin = restore(recovery.checkpoint, state, self.data, self._step.mesh)
        elif config.tune.init is not None:
            state, self.weights = load_weights(state, config.tune.init, self.run.path.parent)
        self.state = processes.share(state, self._step.mesh)
        self.taken = int(self.state.step)
        """Steps taken so far."""
        self.diverged = ""
        """What was not finite, if anything: with the state as it is, it will not be."""
        self._evaluated: Evaluation | None = None
        meta = {} if recovery.checkpoint is None else read_meta(recovery.checkpoint)
        self.followed = Followed() if recovery.checkpoint is None else followed_until(recovery.checkpoint, config)
        """How validation kNN, and the training loss, have gone up to this state."""
        self._losses = MeanLoss(**meta.get("losses", {}))
        self._seconds_per_step = 0.0

    # -- steps

    def compile(self, leave: Callable[[], bool]) -> Compiled | None:
        """Compiles what trains and what embeds; None when `leave` says to wait no longer, which loses nothing.

        Several processes can only compile together: there `leave` is not asked.

        Raises:
            OutOfMemoryError: main memory is too small for a step.
        """
        start = time.monotonic()

        def work() -> Call:
            call = self._compile_for(self.config)
            require_memory(self.config, call.program, self._chunking(), self.ready.needs)
            self._encoder().embed(self.data.train.images[:1])
            return call

        call = wait_or_leave(work, leave) if processes.alone() else work()
        if call is None:
            return None
        self._call = call
        seconds = time.monotonic() - start
        self.clock.seconds["compile"] += seconds
        return Compiled(step=self.taken, seconds=seconds)

    def _compile_for(self, config: Config) -> Call:
        step = dataclasses.replace(self._step, config=config, chunk=self.feed.chunk)
        return compile_call(step, self.state, self.feed.data(self.taken))

    def _chunking(self) -> Chunking | None:
        if self._step.network.follows_batches or not processes.alone():  # several processes can only compile together
            return None
        batch = self.ready.batch_size
        present = min(self.config.chunk_size or batch, batch)
        return Chunking(present, lambda size: self._compile_for(self.config.replace({"chunk_size": size})).program)

    def advance(self, at_most: int) -> StepsLogged:
        """Runs the steps of one call, and says what each of them measured."""
        wanted = steps_of_a_call(self._seconds_per_step)
        n = max(1, min(at_most, wanted, self.feed.steps_left(self.taken) or wanted))
        start = time.monotonic()
        data = self.feed.data(self.taken)
        self.stop_passed_on = processes.lead(processes.Word.TRAIN, n)
        with out_of_memory(self.config, self.run, self._call.program, self._chunking(), self.ready.needs):
            self.state, rows, begun = self._call(self.state, data, n)
            measured, done = jax.device_get((rows, begun))
        seconds = time.monotonic() - start
        done = int(done)
        self.clock.seconds["train"] += seconds
        self._seconds_per_step = seconds / done
        first, self.taken = self.taken + 1, int(self.state.step)
        self.diverged = LOSS if self.taken < first + done - 1 else ""
        self.budget.saw(first - 1, done, seconds, _sides(self.config, self.data), self.config.steps)
        logged = _steps_logged(
            first,
            measured,
            done,
            self._terms,
            self._step.rates,
            seconds=seconds,
            images=self.ready.batch_size,
            waited=self.feed.waited,
        )
        if self.config.patience_on == TRAINING_LOSS:
            self._losses.add(logged.total)
        return logged

    def plan(self, looks: Looks) -> Iterator[Event]:
        """Plans the steps of a run that trains for a time, where that is due, with so many `looks` on the way."""
        if not self.budget.due(self.taken, self.config.steps):
            return
        steps = self.budget.plan(self.taken, _sides(self.config, self.data), looks)
        steps = max(steps, self.taken, 1)
        if steps != self.config.steps:
            processes.lead(processes.Word.PLAN, steps)
            self._step = self._step.with_steps(steps)
            self.config = self._step.config
            self._call = planned(self._step, self._call, self.state, self.feed.data(self.taken), self.feed.chunk)
        elif not self.budget.misled:
            return
        yield Planned(step=self.taken, steps=steps, seconds_left=self.budget.tell())

    # -- evaluation

    def _encoder(self) -> TrainedEncoder:
        params, stats = on_one_device(self.state.evaluated)
        return TrainedEncoder(self._embed, params, stats, self.data.mean, self.data.std, self.data.image_shape)

    def measure_raw_pixels(self) -> float:
        """Validation kNN on raw pixels, in [0, 1]: what the encoder has to beat."""
        start = time.monotonic()
        self._raw_pixels = raw_pixels_knn(self.data, "validation")
        self.budget.pixels = time.monotonic() - start
        self.clock.seconds["evaluate"] += self.budget.pixels
        return self._raw_pixels

    def evaluate(self, split: str = "validation", *, counts: bool = False) -> Iterator[Event]:
        """Evaluates the state; on validation, also writes the snapshot. One that is not finite has `diverged`.

        Args:
            counts: whether it is one of the evaluations that `--patience` counts.
        """
        start = time.monotonic()
        known = self._raw_pixels if split == "validation" else None
        try:
            encoder = self._encoder()
            evaluation = evaluate(
                encoder,
                self.data,
                split,
                self.taken,
                known,
                classifier_of(self._step, self.state),
                views=views_of(self.config, encoder, split),
                gathers=self.config.objective.trains_projection and self.config.data.labels == "classes",
            )
        except DivergedError:  # the loss of its next step may yet be finite: a batch is a few images
            self.diverged, self._evaluated = EMBEDDING, None
            return
        finally:
            seconds = time.monotonic() - start
            self.clock.seconds["evaluate"] += seconds
            if split == "validation":
                self.budget.looked(seconds)
            else:
                self.clock.reading += seconds
        if split == "validation":
            loss = self._losses.take() if counts else self._losses.mean
            event = dataclasses.replace(evaluation.event, loss=loss, counts=counts)
            evaluation = dataclasses.replace(evaluation, event=event)
        yield evaluation.event
        if split != "validation":
            yield from result_alarms(evaluation.event)
            return
        self._evaluated = evaluation
        self.followed = self.followed.after(evaluation.event)
        try:
            yield save_snapshot(self.run, self.taken, evaluation.embedding, evaluation.labels, self.data.class_names)
            save_thumbnails(self.run, looked_at(self.data, split)[0])
        except OSError as error:
            yield disk_alarm(self.taken, str(disk_error("writing a snapshot into", self.run.embeddings, error)))
        progress = self.taken / max(1, self.config.steps)
        yield from alarms(evaluation.event, self._warned, self.config.objective, self._step.batch_shape, progress)

    def evaluate_saved(self, checkpoint: Path, split: str) -> Iterator[Event]:
        """Evaluates the state in a checkpoint of this run, and leaves this one as it is."""
        arrays, now = evaluated(load(checkpoint)[0]), (self.state, self.taken)
        params, stats = self.state.evaluated
        saved = [
            {name: jnp.asarray(arrays[f"{kind}/{name}"]) for name in some}
            for kind, some in (("params", params), ("stats", stats))
        ]
        mesh = self._step.mesh
        self.state = self.state._replace(params=put_whole(saved[0], mesh), stats=put_whole(saved[1], mesh), average={})
        self.taken = int(checkpoint.name)
        try:
            yield from self.evaluate(split)
        finally:
            self.state, self.taken = now

    @property
    def evaluated(self) -> bool:
        """Whether validation has seen the state as it is."""
        return self._evaluated is not None and self._evaluated.event.step == self.taken

    # -- what is saved

    @property
    def score(self) -> float | None:
        """Validation kNN of the state as it is, by which the best checkpoint is told; None where nobody has looked."""
        return self._evaluated.event.knn_representation if self._evaluated is not None and self.evaluated else None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state by name: a copy, for the next call writes its state where this one lies."""
        return {name: np.array(leaf) for name, leaf in name_leaves(on_one_device(self.state)).items()}

    def meta(self) -> dict[str, Any]:
        """What a checkpoint has beside the arrays: enough to use it without its run and its data."""
        return {
            "step": self.taken,
            "score": self.score,
            **self.followed.to_json(),
            "losses": dataclasses.asdict(self._losses),
            "spent": self.clock.spent,
            "config": self.config.to_json(),
            "class_names": list(self.data.class_names),
            "image_shape": list(self.data.image_shape),
            "mean": self.data.mean.tolist(),
            "std": self.data.std.tolist(),
            "fingerprint": self.data.fingerprint,
        }


def taken_so_far(recovery: Recovery) -> tuple[int, float, float | None]:
    """What the state that a run goes on from has taken: steps, and seconds of training and evaluating.

    And the minutes that it had for them, None where it does not say.
    """
    meta = {} if recovery.checkpoint is None else read_meta(recovery.checkpoint)
    minutes = meta.get("config", {}).get("minutes")
    return int(meta.get("step", 0)), float(meta.get("spent", 0.0)), None if minutes is None else float(minutes)


def _sides(config: Config, data: Dataset) -> tuple[int, ...]:
    return config.sides(min(data.image_shape[:2]))


def views_of(config: Config, encoder: TrainedEncoder, split: str) -> Callable[[DataPart], NDArray[np.float32]] | None:
    """What measures a split a second time, each image averaged over its views; None where nobody asks."""
    if split != "test" or not config.test_views:
        return None
    return partial(encoder.represent_views, mirror=bool(config.get("flip")))


def classifier_of(step: Step, state: TrainState) -> Classify | None:
    objective = step.objective
    if not objective.classifies:
        return None
    own = step.own(state.evaluated[0])

    def classify(h_nf: NDArray[np.float32]) -> NDArray[np.int32]:
        with exact_products():
            return np.asarray(objective.classify(own, jnp.asarray(h_nf)).argmax(axis=1), np.int32)

    return classify


def steps_of_a_call(seconds_per_step: float) -> int:
    """How many steps to take at once; the first time, when it is not known how long they take (0), one."""
    if not seconds_per_step:
        return 1
    return max(1, round(CALL_SECONDS / seconds_per_step), min(FEW_STEPS, int(SLOW_CALL_SECONDS / seconds_per_step)))


def _steps_logged(
    first: int,
    measured: Measured,
    done: int,
    terms: Sequence[str],
    rates: NDArray[np.float32],
    *,
    seconds: float,
    images: int,
    waited: float,
) -> StepsLogged:
    """The event of a call.

    Args:
        first: the step that it began with, counted from 1.
        done: how many steps it took, or began.
        terms: in the order in which charts have them.
        rates: the learning rate of every step of the run.
        seconds: how long the call took, and
        waited: how much of it went by before there were data.
        images: of a batch.
    """
    return StepsLogged(
        step=first,
        total=_floats(measured.total[:done]),
        terms={name: _floats(measured.terms[name][:done]) for name in terms},
        grad_norm=_floats(measured.grad_norm[:done]),
        learning_rate=_floats(rates[first - 1 : first - 1 + done]),
        steps_per_second=done / seconds,
        images_per_second=done * images / seconds,
        data_wait=min(1.0, waited / seconds),
    )


def _floats(values: Any) -> tuple[float, ...]:
    """As Python floats that print with a float32's digits, and are the same float32: half the bytes in the log."""
    return tuple(float(str(value)) for value in values.astype(np.float32))
