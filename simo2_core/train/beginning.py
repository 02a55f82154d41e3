"""What a run says before its first step: what is trained on what, and what to mind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import jax
import numpy as np

from simo2_core.checkpoints.recovery import Recovery
from simo2_core.config import PROPORTIONAL, Config
from simo2_core.data.dataset import Dataset
from simo2_core.data.fingerprint import other_decoder
from simo2_core.events import Event, RunStarted, WarningRaised
from simo2_core.objectives.objective import DECIDED
from simo2_core.train.optimizer import learning_rate_schedule
from simo2_core.train.training import Training

JUMP = 0.05
"""Share of the peak by which the learning rate may change where a run goes on before that is said."""


def started(training: Training, raw_pixels_knn: float) -> RunStarted:
    """What is trained on what; NaN for raw pixels that nobody has measured."""
    ready, config = training.ready, training.config
    devices = jax.devices()
    return RunStarted(
        step=training.taken,
        run=str(training.run.path),
        steps=config.steps,
        parameters=sum(array.size for array in training.state.params.values()),
        class_names=ready.data.class_names,
        classes_per_batch=ready.batch_size // config.samples_per_class,
        samples_per_class=config.samples_per_class,
        one_by_one=config.sampling == PROPORTIONAL,
        embedding_size=config.model.embedding_size,
        train_images=len(ready.drawn.train),
        validation_images=len(ready.data.validation),
        test_images=len(ready.data.test),
        device=f"{len(devices)} x {devices[0].device_kind}",
        raw_pixels_knn=raw_pixels_knn,
        placement=ready.placement.why,
        precision=ready.precision,
        decided="; ".join(each.message.removesuffix(".") for each in ready.findings if each.code == DECIDED) or None,
        seconds_left=training.budget.left if config.minutes else None,
        sides=config.sides(min(ready.data.image_shape[:2])) if config.grow_from else (),
    )


def introduce(training: Training, recovery: Recovery) -> Iterator[Event]:
    """The first events of a start, before anything is compiled."""
    ready, config = training.ready, training.config
    yield started(training, training.measure_raw_pixels())
    if training.weights is not None:
        yield training.weights
    yield from of_state(training, recovery)
    for finding in ready.findings:
        if finding.severity == "warning":
            yield WarningRaised(step=training.taken, code=finding.code, message=finding.message, cure=finding.cure)
    if training.origin is not None and training.origin.saved_with is not None:
        yield from rate_jump(training.origin.saved_with, config, training.taken)


def of_state(training: Training, recovery: Recovery) -> Iterator[WarningRaised]:
    """What to know of the state that a run goes on from: which newer ones are damaged, and how its images were read."""
    step = training.taken
    for _, reason in recovery.damaged:
        cure = f"The run goes on from step {step}; the damaged one is set aside as STEP.damaged."
        yield WarningRaised(step=step, code="checkpoint-damaged", message=reason, cure=cure)
    if training.origin is not None:
        yield from decoded_otherwise(training.origin.trained_on, training.data, step)
        yield from normalised_otherwise(*training.origin.normalised_by, training.data, step)


def decoded_otherwise(trained_on: str, data: Dataset, step: int) -> Iterator[WarningRaised]:
    """A warning where something else decodes the JPEG files than when the run with that fingerprint was trained."""
    decoders = other_decoder(trained_on, data.fingerprint)
    if decoders:
        then, now = decoders
        yield WarningRaised(
            step=step,
            code="other-decoder",
            message=f"the images were decoded by {then} when the run began and by {now} now: pixels at sharp edges of "
            "JPEG files that are made smaller differ by up to 50 levels, others by one or two.",
            cure="To go on with the same pixels, install what decoded them then, or set SIMO2_DECODER=pillow.",
        )


def normalised_otherwise(
    mean: Sequence[float], std: Sequence[float], data: Dataset, step: int
) -> Iterator[WarningRaised]:
    """A warning where images are normalised by other numbers than when the run began.

    A run of before 2026-11-28 whose images were decoded as needed took them from 4,096 images.
    """
    if np.allclose(mean, data.mean, atol=1e-5) and np.allclose(std, data.std, atol=1e-5):
        return
    yield WarningRaised(
        step=step,
        code="other-statistics",
        message=f"images were normalised by a mean of {_listed(mean)} when the run began and by {_listed(data.mean)} "
        "now: all training images are counted, as they are decoded now.",
        cure="The loss may jump a little; begin a new run to compare it with others.",
    )


def _listed(numbers: Iterable[float]) -> str:
    return ", ".join(f"{number:.4f}" for number in numbers)


def rate_jump(before: Config, now: Config, taken: int) -> Iterator[WarningRaised]:
    """A warning where other `steps` lay the same schedule over the run anew, and the learning rate jumps.

    A schedule that has come to its end begins again in the middle when the run is made longer.

    Args:
        before: the settings that the checkpoint was saved with.
        taken: steps taken so far.
    """
    if taken == 0 or before.steps == now.steps or before.optim != now.optim or now.minutes:
        return  # a run for a time is planned anew within seconds
    last = float(learning_rate_schedule(before.optim, before.steps)(taken - 1))
    came = float(learning_rate_schedule(before.optim, before.steps)(min(taken, before.steps)))
    comes = float(learning_rate_schedule(now.optim, now.steps)(taken))
    if abs(comes - came) <= JUMP * now.optim.learning_rate:
        return
    yield WarningRaised(
        step=taken,
        code="rate-jump",
        message=f"the learning rate goes from {last:.3g} at step {taken} to {comes:.3g}: --steps {now.steps}, which "
        f"was {before.steps}, lays the {now.optim.schedule} schedule over the run anew.",
        cure=f"To go on at the rate that it had come to: --schedule constant --learning-rate {last:.3g}.",
    )
