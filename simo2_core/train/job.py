"""A run between two events: its state on the device, and everything that can be done with it there."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.embed import Encoder, compile_embed
from simo2_core.checkpoints.checkpoint import list_steps, load, name_leaves, require_same
from simo2_core.checkpoints.recovery import Recovery, back_from, newest_sound, set_aside
from simo2_core.commands import Reason, Source
from simo2_core.config import Config
from simo2_core.data.dataset import Dataset
from simo2_core.data.located import absolute_paths
from simo2_core.errors import CheckpointError, DataError, DivergedError
from simo2_core.evaluation.evaluate import (
    Classify,
    Evaluation,
    alarms,
    evaluate,
    looked_at,
    raw_pixels_knn,
    save_snapshot,
)
from simo2_core.evaluation.thumbnails import save_thumbnails
from simo2_core.events import (
    Compiled,
    Event,
    RolledBack,
    RunFinished,
    RunStarted,
    StepsLogged,
    WarningRaised,
    WeightsLoaded,
)
from simo2_core.model.build import compute_dtype
from simo2_core.run.directory import RunDirectory
from simo2_core.run.files import disk_error
from simo2_core.train import processes
from simo2_core.train.devices import on_one_device, put_whole
from simo2_core.train.divergence import EMBEDDING, LOSS, why_diverged
from simo2_core.train.environment import environment
from simo2_core.train.finetune import load_weights
from simo2_core.train.machine_alarms import Watch
from simo2_core.train.memory import Chunking, out_of_memory
from simo2_core.train.plotting import Plotter
from simo2_core.train.preparation import prepare
from simo2_core.train.saving import Keeper
from simo2_core.train.step import Call, TrainState, compile_call
from simo2_core.train.telling import OTHER_IMAGES, damage, decoded_otherwise, disk_alarm, state_meta, steps_logged

CALL_SECONDS = 0.25
"""How long a call should last: short enough that stop and pause feel instant, long enough to hide the host."""


class Job:
    """The state of a training run between two events."""

    def __init__(
        self, config: Config, run: RunDirectory, dataset: Dataset | None = None, *, pictures: bool = True
    ) -> None:
        """Takes `dataset` where it is loaded already, and loads what `config` names where it is not."""
        self.config, self.run = config, run
        self._ready = prepare(config, dataset)
        self.data, self.batch_size = self._ready.data, self._ready.batch_size
        self._terms = [name for name in config.objective.terms(2, 2) if name != "total"]  # a chart keeps this order
        self._ready.tell()
        self._recovery = newest_sound(run.checkpoints)
        self._weights: WeightsLoaded | None = None
        self._trained_on = self.data.fingerprint
        self._go_to(self._recovery)
        self._feed = self._ready.feed(self.state)
        self._embed = compile_embed(self._step.network)
        self._rollbacks = 0
        set_aside(self._recovery)
        self._watch = Watch(run.path)
        self._keeper = Keeper(run, config.keep, self._watch)
        self._keeper.go_on_from(self._recovery.checkpoint, self.step)
        self._plotter = Plotter(run, enabled=pictures)
        self._warned: set[str] = set()
        self.stop_passed_on = False
        """Whether another process of the run has been asked to stop."""
        self.seconds = {"compile": 0.0, "train": 0.0, "evaluate": 0.0}

    # -- beginning

    def begin(self) -> Iterator[Event]:
        """Says what is about to be trained on what, and compiles it."""
        self._write_config()
        start = time.monotonic()
        self.raw_pixels = raw_pixels_knn(self.data, "validation")
        self.seconds["evaluate"] += time.monotonic() - start
        devices = jax.devices()
        yield RunStarted(
            step=self.step,
            run=str(self.run.path),
            steps=self.config.steps,
            parameters=sum(array.size for array in self.state.params.values()),
            class_names=self.data.class_names,
            classes_per_batch=self.batch_size // self.config.samples_per_class,
            samples_per_class=self.config.samples_per_class,
            embedding_size=self.config.model.embedding_size,
            train_images=len(self._ready.drawn.train),
            validation_images=len(self.data.validation),
            test_images=len(self.data.test),
            device=f"{len(devices)} x {devices[0].device_kind}",
            raw_pixels_knn=self.raw_pixels,
            placement=self._ready.placement.why,
        )
        if self._weights is not None:
            yield self._weights
        yield from self._advice()
        yield self._compile()

    def _write_config(self) -> None:
        precision = str(compute_dtype(self.config.model.precision))
        data = {"data": self.data.name, "fingerprint": self.data.fingerprint}
        facts = {**environment(), "precision": precision, **data, "paths": absolute_paths(self.config)}
        try:
            self.run.write_config(self.config, facts)
        except OSError as error:
            raise disk_error("writing", self.run.config_path, error) from error

    def _compile(self) -> Compiled:
        start = time.monotonic()
        self._call = self._compile_for(self.config)
        self._encoder().embed(self.data.train.images[:1])
        seconds = time.monotonic() - start
        self.seconds["compile"] += seconds
        return Compiled(step=self.step, seconds=seconds)

    def _compile_for(self, config: Config) -> Call:
        step = dataclasses.replace(self._step, config=config, chunk=self._feed.chunk)
        return compile_call(step, self.state, self._feed.data(self.step))

    def _chunking(self) -> Chunking | None:
        if self.state.stats or not processes.alone():  # several processes can only compile together
            return None
        present = min(self.config.chunk_size or self.batch_size, self.batch_size)
        return Chunking(present, lambda size: self._compile_for(self.config.replace({"chunk_size": size})).program)

    def _advice(self) -> Iterator[Event]:
        yield from damage(self._recovery, self.step)
        yield from decoded_otherwise(self._trained_on, self.data, self.step)
        for finding in self._ready.findings:
            if finding.severity == "warning":
                yield WarningRaised(step=self.step, code=finding.code, message=finding.message, cure=finding.cure)

    def _go_to(self, recovery: Recovery) -> None:
        """Makes the step of the settings, and the state of a checkpoint or of the beginning."""
        config = self.config
        self._step, self.state = self._ready.begin(config)
        self.step = 0
        if recovery.checkpoint is None and config.tune.init is not None:
            self.state, self._weights = load_weights(self.state, config.tune.init)
        if recovery.checkpoint is not None:
            self._restore(recovery.checkpoint)
        self.state = processes.share(self.state, self._step.mesh)
        self.diverged = ""
        """What was not finite, if anything: with the state as it is, it will not be."""
        self._evaluated: Evaluation | None = None
        self._seconds_per_step = 0.0

    def _restore(self, checkpoint: Path) -> None:
        arrays, meta = load(checkpoint)
        expected = name_leaves(self.state)
        require_same(arrays, expected, checkpoint)
        self._trained_on = str(meta.get("fingerprint"))
        if not self.data.is_that_of(self._trained_on):
            raise CheckpointError(
                f"{checkpoint} was trained on other images than {self.data.name} holds now "
                f"(fingerprint {self._trained_on!r}, now {self.data.fingerprint!r}). {OTHER_IMAGES} Start a new run."
            )
        structure = jax.tree.structure(self.state)
        state = TrainState(*jax.tree.unflatten(structure, [arrays[name] for name in expected]))
        self.state = put_whole(state, self._step.mesh)
        self.step = int(self.state.step)

    # -- one call

    def advance(self, at_most: int) -> StepsLogged:
        """Runs about a quarter of a second of steps, and says what each of them measured."""
        wanted = round(CALL_SECONDS / self._seconds_per_step) if self._seconds_per_step else 1
        n = max(1, min(at_most, wanted, self._feed.steps_left(self.step) or wanted))
        start = time.monotonic()
        data = self._feed.data(self.step)
        self.stop_passed_on = processes.lead(processes.Word.TRAIN, n)
        with out_of_memory(self.config, self.run, self._call.program, self._chunking()):
            self.state, rows, begun = self._call(self.state, data, n)
            measured, done = jax.device_get((rows, begun))
        seconds = time.monotonic() - start
        done = int(done)
        self.seconds["train"] += seconds
        self._seconds_per_step = seconds / done
        first, self.step = self.step + 1, int(self.state.step)
        self.diverged = LOSS if self.step < first + done - 1 else ""
        event = steps_logged(
            first, measured, done, self._terms, self._step.rates,
            seconds=seconds, images=self.batch_size, waited=self._feed.waited,
        )  # fmt: skip
        self._watch.saw_call(event)
        return event

    # -- what happens between calls

    def hold(self) -> None:
        """Lets the other processes know that this one is still there."""
        processes.lead(processes.Word.HOLD)

    def _encoder(self) -> Encoder:
        params, stats = on_one_device((self.state.params, self.state.stats))
        return Encoder(self._embed, params, stats, self.data.mean, self.data.std, self.data.image_shape)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        # a copy: the next call writes its state where this one lies
        return {name: np.array(leaf) for name, leaf in name_leaves(on_one_device(self.state)).items()}

    def _classifier(self) -> Classify | None:
        objective = self.config.objective
        if not objective.classifies:
            return None
        own = self._step.own(self.state.params)
        return lambda h_nf: np.asarray(objective.classify(own, jnp.asarray(h_nf)).argmax(axis=1), np.int32)

    def evaluate(self, split: str = "validation") -> Iterator[Event]:
        """Evaluates the state; on validation, also writes the snapshot. One that is not finite has `diverged`."""
        start = time.monotonic()
        known = self.raw_pixels if split == "validation" else None
        try:
            evaluation = evaluate(self._encoder(), self.data, split, self.step, known, self._classifier())
        except DivergedError:  # the loss of its next step may yet be finite: a batch is a few images
            self.diverged, self._evaluated = EMBEDDING, None
            return
        finally:
            self.seconds["evaluate"] += time.monotonic() - start
        yield evaluation.event
        if split == "validation":
            self._evaluated = evaluation
            try:
                yield save_snapshot(self.run, self.step, evaluation.embedding, evaluation.labels, self.data.class_names)
                save_thumbnails(self.run, looked_at(self.data, split)[0])
            except OSError as error:
                yield disk_alarm(self.step, str(disk_error("writing a snapshot into", self.run.embeddings, error)))
            yield from alarms(evaluation.event, self._warned, self.config.objective)

    @property
    def unscored(self) -> int:
        """The step whose checkpoint has still to be evaluated, or -1."""
        return self._keeper.unscored

    def save(self) -> Iterator[Event]:
        """Begins to save the state, evaluated first so that the best checkpoint can be told."""
        if self._keeper.has(self.step):
            return
        if self._evaluated is None or self._evaluated.event.step != self.step:
            yield from self.evaluate()
        if not self.diverged:
            yield from self._keeper.save(self.step, self._score(), self._arrays, self._meta())

    def _score(self) -> float | None:
        seen = self._evaluated.event if self._evaluated else None
        return seen.knn_representation if seen and seen.step == self.step else None

    def _meta(self) -> dict[str, Any]:
        return state_meta(self.config, self.data, self.step, self._score())

    def plot(self) -> Iterator[Event]:
        """Asks for pictures of the newest snapshot, made now if there is none of this step."""
        if self._evaluated is None or self._evaluated.event.step != self.step:
            yield from self.evaluate()
        self._plotter.request(self.step)

    def poll(self) -> Iterator[Event]:
        """Says what finished behind the training: pictures, checkpoints."""
        yield from self._plotter.poll()
        yield from self._keeper.poll(self.step)
        yield from self._watch.alarms(self.step)

    def recover(self) -> Iterator[Event]:
        """After a step that was not finite: goes back where the settings allow it, or gives up.

        Raises:
            DivergedError: the settings say to stop, or the run has gone back as often as it may.
        """
        spent = self._rollbacks == self.config.rollbacks or self.step == 0 or not self._keeper.in_place
        if self.config.on_nan != "rollback" or spent:
            yield from self.give_up()
        yield from self._keeper.settle(self.step)
        self._rollbacks += 1
        processes.lead(processes.Word.GO_BACK)
        bad = self.step + (self.diverged == LOSS)
        self.config = self.config.slowed_down()
        rate = self.config.optim.learning_rate
        self._recovery = back_from(self.run.checkpoints, self.step)
        self._go_to(self._recovery)
        set_aside(self._recovery)
        self._keeper.go_on_from(self._recovery.checkpoint, self.step)
        self._write_config()
        left = self.config.rollbacks - self._rollbacks
        yield RolledBack(step=self.step, from_step=bad, learning_rate=rate, left=left)
        yield from damage(self._recovery, self.step)
        yield from decoded_otherwise(self._trained_on, self.data, self.step)
        yield self._compile()

    # -- endings

    def finish(self) -> Iterator[Event]:
        """Evaluates and saves the last state, reads the test part, and draws the pictures; stops if it `diverged`."""
        if self._evaluated is None or self._evaluated.event.step != self.step:
            yield from self.evaluate()
        if not self._sound():
            return
        yield from self._save_or_fail()
        yield from self._keeper.give_score(self.step, self._score())
        self._plotter.request(self.step)
        yield from self.evaluate("test")
        if not self._sound():
            return
        yield from self._plotter.finish()
        yield self._finished(Reason.COMPLETED, f"{self.config.steps} steps done")

    def _sound(self) -> bool:
        return not self.diverged

    def finish_early(self, source: Source) -> Iterator[Event]:
        """Saves the state as it is, at once, and stops; the test part stays unread."""
        yield from self._save_or_fail()
        yield from self._plotter.poll()
        yield self._finished(source.reason, f"at step {self.step}, asked by {source}")

    def give_up(self) -> Iterator[Event]:
        """Saves the last good state and raises DivergedError."""
        message, cure = why_diverged(self.diverged, self.config, self.step, self._rollbacks)
        yield WarningRaised(step=self.step, code="diverged", message=message, cure=cure)
        message = f"{message} {cure}"
        yield from self._save_or_fail()
        yield self._finished(Reason.DIVERGED, message)
        raise DivergedError(message)

    def end_without_images(self, error: DataError) -> Iterator[Event]:
        """Saves the state as it is and raises what kept the next images from being read."""
        yield from self._save_or_fail()
        yield self._finished(Reason.FAILED, str(error))
        if self.step == 0:
            raise error
        kept = f"Step {self.step} is kept: simo2 resume {self.run.path} goes on from it."
        raise DataError(f"{error} {kept}") from error

    def _save_or_fail(self) -> Iterator[Event]:
        if self.step == 0:
            return
        try:
            yield from self._keeper.save_last(self.step, self._arrays, self._meta())
        except CheckpointError as error:
            yield self._finished(Reason.FAILED, str(error))
            raise

    def _finished(self, reason: Reason, message: str) -> RunFinished:
        steps = list_steps(self.run.checkpoints)
        newest = f"{self.run.checkpoints.name}/{steps[-1]}" if steps else None
        processes.lead(processes.Word.END, processes.REASONS.index(reason))
        return RunFinished(
            step=self.step, reason=reason, message=message, checkpoint=newest, seconds=dict(self.seconds)
        )

    def close(self) -> None:
        """Lets go of threads and children."""
        self._feed.close()
        self._keeper.close()
        self._plotter.close()
