"""The course of a training run, read back from its events as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simo2_core.events import Evaluated, RunStarted, StepsLogged, WarningRaised
from simo2_core.objectives.objective import Term
from simo2_core.run.directory import RunDirectory
from simo2_core.run.event_file import DAMAGED

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """What a run measured of itself. One row for each of s steps and each of e evaluations."""

    steps: NDArray[np.int64]
    """(s,) step numbers, ascending."""
    losses: dict[str, Values]
    """(s,) as reported, by name in `terms`."""
    grad_norm: Values
    """(s,) before clipping."""
    learning_rate: Values
    """(s,)"""
    evaluated: NDArray[np.int64]
    """(e,) steps of the evaluations on validation."""
    knn_representation: Values
    """(e,) in [0, 1], as are the next two."""
    knn_projection: Values
    knn_raw_pixels: float
    """NaN when unknown."""
    effective_rank: Values
    """(e,)"""
    test: tuple[int, float] | None
    """Step and kNN accuracy of the representation on test, once it was read."""
    terms: dict[str, Term]
    """What the losses are; `total` is the first."""
    classes: int
    classes_per_batch: int
    dimensions: int
    damage: str = ""
    """What of the log could not be read, in a sentence."""


def read_course(run: RunDirectory, until: int | None = None) -> Course | None:
    """The course of training from the run's events, up to a step; None before the first logged step or evaluation.

    A step that was logged twice, by a run that was resumed, counts as it was logged last.
    """
    started: RunStarted | None = None
    logged: list[StepsLogged] = []
    seen: dict[int, Evaluated] = {}
    test: tuple[int, float] | None = None
    damage = ""
    for event in run.events():
        if isinstance(event, RunStarted):
            started = event
        elif isinstance(event, WarningRaised):
            damage = event.message if event.code == DAMAGED else damage
        elif until is not None and event.step > until:
            continue
        elif isinstance(event, StepsLogged):
            logged.append(event)
        elif isinstance(event, Evaluated) and event.split == "validation":
            seen[event.step] = event
        elif isinstance(event, Evaluated):
            test = (event.step, event.knn_representation)
    if started is None or not (logged or seen):
        return None
    terms = run.config.objective.terms(started.classes_per_batch, started.samples_per_class)
    steps, losses = _series(logged, until, terms)
    evaluations = [seen[step] for step in sorted(seen)]
    return Course(
        steps=steps,
        losses={name: losses[name] for name in terms},
        grad_norm=losses["grad_norm"],
        learning_rate=losses["learning_rate"],
        evaluated=np.array([event.step for event in evaluations], np.int64),
        knn_representation=np.array([event.knn_representation for event in evaluations], np.float64),
        knn_projection=np.array([event.knn_projection for event in evaluations], np.float64),
        knn_raw_pixels=started.raw_pixels_knn,
        effective_rank=np.array([event.effective_rank for event in evaluations], np.float64),
        test=test,
        terms=terms,
        classes=len(started.class_names),
        classes_per_batch=started.classes_per_batch,
        dimensions=started.embedding_size,
        damage=damage,
    )


def _series(
    logged: list[StepsLogged], until: int | None, terms: Iterable[str]
) -> tuple[NDArray[np.int64], dict[str, Values]]:
    """The steps, ascending and each once, and their values by name."""
    numbers = np.array([step for event in logged for step in range(event.step, event.last_step + 1)], np.int64)
    steps, newest = np.unique(numbers[::-1], return_index=True)
    rows = len(numbers) - 1 - newest
    if until is not None:
        steps, rows = steps[steps <= until], rows[steps <= until]
    values = {}
    for name in (*terms, "grad_norm", "learning_rate"):
        values[name] = np.array([value for event in logged for value in event.series(name)], np.float64)[rows]
    return steps, values
