"""What an event says in numbers with names: the same names in every service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simo2_core.config import Config
from simo2_core.events import Evaluated, Event, StepsLogged
from simo2_core.settings import Cadence

_STEP = {"total": "loss/total", "grad_norm": "optim/grad_norm", "learning_rate": "optim/learning_rate"}
_CALL = {
    "steps_per_second": "speed/steps_per_second",
    "images_per_second": "speed/images_per_second",
    "data_wait": "speed/data_wait",
}
_EVALUATION = (
    "knn_representation",
    "knn_projection",
    "knn_raw_pixels",
    "effective_rank",
    "same_class_cosine",
    "different_class_cosine",
    "largest_class_cosine",
)


def series(event: Event) -> Iterator[tuple[int, dict[str, float]]]:
    """Each step that the event has numbers of, and those numbers by name: `loss/total`, `validation/effective_rank`.

    Every step of a call is there; the speed of a call belongs to its last step.
    """
    if isinstance(event, StepsLogged):
        for i in range(len(event.total)):
            row = {name: getattr(event, field)[i] for field, name in _STEP.items()}
            row |= {f"loss/{name}": values[i] for name, values in event.terms.items()}
            if i == len(event.total) - 1:
                row |= {name: getattr(event, field) for field, name in _CALL.items()}
            yield event.step + i, row
    elif isinstance(event, Evaluated):
        row = {f"{event.split}/{name}": getattr(event, name) for name in _EVALUATION}
        told = {name: getattr(event, name) for name in ("classifier", "stuck_pairs")}
        yield event.step, row | {f"{event.split}/{name}": value for name, value in told.items() if value is not None}


def settings(config: Config) -> dict[str, Any]:
    """Every setting by its name, as text, numbers or lists of them."""
    values = {item.name: config.get(item.name) for item in config.settings()}
    return {
        name: str(value) if isinstance(value, Cadence) else list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
    }
