"""What a run says of a call and of a checkpoint, put together from what it has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.checkpoints.recovery import Recovery
from simo2_core.config import Config
from simo2_core.data.dataset import Dataset
from simo2_core.data.fingerprint import other_decoder
from simo2_core.events import StepsLogged, WarningRaised
from simo2_core.train.step import Measured

OTHER_IMAGES = (
    "If they are JPEG files and simplejpeg and OpenCV were installed since, set SIMO2_DECODER=pillow, so that they are "
    "decoded as they were. If views were drawn of what is evaluated (--views-split), they no longer are."
)
"""What may have changed where a fingerprint has, though the files have not."""


def steps_logged(
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


def state_meta(config: Config, data: Dataset, step: int, score: float | None) -> dict[str, Any]:
    """What a checkpoint has beside the arrays: enough to use it without its run and its data."""
    return {
        "step": step,
        "score": score,
        "config": config.to_json(),
        "class_names": list(data.class_names),
        "image_shape": list(data.image_shape),
        "mean": data.mean.tolist(),
        "std": data.std.tolist(),
        "fingerprint": data.fingerprint,
    }


def damage(recovery: Recovery, step: int) -> Iterator[WarningRaised]:
    """A warning for each checkpoint that was passed over to go on from `step`."""
    for _, reason in recovery.damaged:
        cure = f"The run goes on from step {step}; the damaged one is set aside as STEP.damaged."
        yield WarningRaised(step=step, code="checkpoint-damaged", message=reason, cure=cure)


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


def disk_alarm(step: int, message: str) -> WarningRaised:
    """The disk refused something that training can go on without."""
    return WarningRaised(step=step, code="disk", message=message, cure="Training goes on and will try again.")
