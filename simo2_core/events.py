"""What a run says while it happens: frozen host values, each with a JSON form of one line.

`train()` yields these, the run's log keeps them in `events.jsonl`, the command line prints them, the console draws
them and the tests assert on them. `from_json(to_json(event)) == event` for every event. Numbers that are not
finite are written as the strings "NaN", "Infinity" and "-Infinity", since JSON has no such numbers.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time as clock
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from simo2_core.commands import Command, Reason, Requester
from simo2_core.errors import NewerFormatError, RunError

VERSION = 1
"""Version of the JSON form, written as `"v"` in each line."""

_LARGEST = 2**53
"""A number of steps or images above this is damage, and would not fit into an array."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened at `step`: the number of optimiser steps taken so far."""

    kind: ClassVar[str] = ""
    """The word in `"event"` of the JSON form."""

    step: int = 0
    time: float = field(default_factory=clock.time, compare=True)
    """Seconds since 1970-01-01 UTC."""

    def to_json(self) -> dict[str, Any]:
        """The event as a JSON-ready dict: `event`, `v`, then its fields."""
        body = {item.name: _encode(getattr(self, item.name)) for item in dataclasses.fields(self)}
        return {"event": self.kind, "v": VERSION, **body}

    @classmethod
    def fields_of(cls, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields by name, out of the JSON form; raises ValueError, KeyError or TypeError for what is unfit."""
        return data

    def to_line(self) -> str:
        """The event as one line of JSON, no newline."""
        return json.dumps(self.to_json(), separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """The first event of every start of a run, a resumed one included (`step` > 0)."""

    kind: ClassVar[str] = "run_started"
    run: str
    """Path of the run directory."""
    steps: int
    """The step at which the run will be finished."""
    parameters: int
    """Trainable numbers in encoder and projection head."""
    class_names: tuple[str, ...]
    classes_per_batch: int
    samples_per_class: int
    embedding_size: int
    train_images: int
    validation_images: int
    test_images: int
    device: str
    """For people: kind and number of devices."""
    raw_pixels_knn: float
    """Validation kNN on raw pixels, in [0, 1]: what the encoder has to beat. NaN of a run that takes no step."""
    placement: str | None = None
    """For people: where the images live while training, and why; None in runs of before it was said."""
    precision: str | None = None
    """For people: what was decided of the precision that the settings leave open, and why; None where nothing was."""
    decided: str | None = None
    """For people: what the objective decided for such batches, where its settings leave it open; None where nothing."""
    seconds_left: float | None = None
    """Of the time that it trains for, `--minutes`; None where it trains for its steps."""
    sides: tuple[int, ...] = ()
    """Of images that grow over the run, the shorter side in pixels, each for an equal share of its steps; empty where
    all have one size, and in runs of before it was said."""
    one_by_one: bool = False
    """Whether a batch of as many images is drawn one by one, classes as often as the data have them."""

    @property
    def planned_steps(self) -> int | None:
        """`steps`, or None of a run that trains for a time and has not taken one: `Planned` says them."""
        return None if self.seconds_left is not None and not self.step else self.steps


@dataclass(frozen=True, kw_only=True)
class Compiled(Event):
    """The training call was compiled."""

    kind: ClassVar[str] = "compiled"
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Planned(Event):
    """A run that trains for a time has another number of steps from now on: `--minutes`."""

    kind: ClassVar[str] = "planned"
    steps: int
    """The step at which the run will be finished."""
    seconds_left: float
    """Of the time that it trains for."""


@dataclass(frozen=True, kw_only=True)
class StepsLogged(Event):
    """The steps of one call, each of them: `step` is the first, counted from 1; the tuples have one number a step.

    In the JSON form the terms stand beside the other numbers, each by its name.
    """

    kind: ClassVar[str] = "steps"
    total: tuple[float, ...]
    """What was minimised."""
    terms: dict[str, tuple[float, ...]]
    """What else the objective reports; of SIMO2 `same`, `mean` and `diff`, which add up to `total`."""
    grad_norm: tuple[float, ...]
    """Global norm of the gradient before clipping."""
    learning_rate: tuple[float, ...]
    steps_per_second: float
    images_per_second: float
    data_wait: float
    """Share of the call's time spent waiting for data, in [0, 1]."""

    def to_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for name, value in super().to_json().items():
            body |= value if name == "terms" else {name: value}
        return body

    @classmethod
    def fields_of(cls, data: Mapping[str, Any]) -> Mapping[str, Any]:
        own = {"event", "v", *(item.name for item in dataclasses.fields(cls))}
        named = {name: value for name, value in data.items() if name not in own}
        each = {**named, "grad_norm": data["grad_norm"], "learning_rate": data["learning_rate"]}
        ragged = [name for name, value in each.items() if isinstance(value, list) and len(value) != len(data["total"])]
        if ragged:
            raise ValueError(f"{ragged[0]!r} has another length than 'total'")
        return {**data, "terms": named}

    def series(self, name: str) -> tuple[float, ...]:
        """One number a step: a term, or a field such as `total`; NaN for a term that this event has not."""
        if name in ("total", "grad_norm", "learning_rate"):
            values: tuple[float, ...] = getattr(self, name)
            return values
        return self.terms.get(name, (math.nan,) * len(self.total))

    @property
    def last_step(self) -> int:
        """The last step of the call, counted from 1."""
        return self.step + len(self.total) - 1


@dataclass(frozen=True, kw_only=True)
class Evaluated(Event):
    """The encoder as it was after `step`, measured on validation while training, or on test once at the end.

    Accuracies are kNN (cosine, k=20, weights exp(cos/0.07)) against the training part, in [0, 1].
    """

    kind: ClassVar[str] = "evaluated"
    split: str
    """`validation` or `test`."""
    images: int
    """How many images of that split were classified."""
    bank: int
    """How many training images voted."""
    knn_representation: float
    knn_projection: float
    knn_raw_pixels: float
    effective_rank: float
    """exp of the entropy of the singular values of the projection (RankMe), from 1 to D."""
    same_class_cosine: float
    """Mean signed cosine of same-class pairs of the projection."""
    different_class_cosine: float
    """Mean absolute cosine of different-class pairs of the projection."""
    largest_class_cosine: float
    """The signed cosine, of those between two class means, that is largest in absolute value."""
    least_class_cosine: float | None = None
    """The most negative of them; None in runs of before it was measured."""
    classifier: float | None = None
    """Accuracy of the classifier that cross_entropy trains, in [0, 1]; None where there is none."""
    stuck_pairs: float | None = None
    """Share of same-class pairs of training images whose projections stand at a right angle, in [0, 1]; None where the
    loss draws no such pairs together, and in runs of before it was measured."""
    knn_views: float | None = None
    """`knn_representation` with the representation of each image averaged over its views; None where not asked for."""
    classifier_views: float | None = None
    """`classifier` so."""
    loss: float | None = None
    """Mean training loss of the steps since the last evaluation that counts; None where it is not followed, or no step
    was taken: see `--patience-on`."""
    counts: bool = True
    """Whether it is one of the evaluations that `--patience` counts, due by `--eval-every`: not one that a plot, a
    checkpoint or somebody else asked for. In runs of before it was written all do."""
    seconds: float


@dataclass(frozen=True, kw_only=True)
class WeightsLoaded(Event):
    """The encoder began with the weights of a checkpoint, by name and shape."""

    kind: ClassVar[str] = "weights_loaded"
    path: str
    """The checkpoint."""
    loaded: tuple[str, ...]
    """Arrays that were taken from it."""
    fresh: tuple[str, ...]
    """Arrays that it has not, which begin as the seed draws them."""
    unused: tuple[str, ...]
    """Arrays of it that nothing here takes."""


@dataclass(frozen=True, kw_only=True)
class EmbeddingSnapshot(Event):
    """The validation embedding after `step` was written to `path`, relative to the run directory."""

    kind: ClassVar[str] = "embedding_snapshot"
    path: str
    images: int


@dataclass(frozen=True, kw_only=True)
class CheckpointSaved(Event):
    """The whole state after `step` is on disk at `path`, relative to the run directory."""

    kind: ClassVar[str] = "checkpoint_saved"
    path: str
    best: bool
    """Whether its validation kNN is the best so far."""
    seconds: float
    """How long training waited for it."""


@dataclass(frozen=True, kw_only=True)
class PlotSaved(Event):
    """A picture is on disk at `path`, relative to the run directory."""

    kind: ClassVar[str] = "plot_saved"
    path: str


@dataclass(frozen=True, kw_only=True)
class WarningRaised(Event):
    """Something the user should know, with its cure."""

    kind: ClassVar[str] = "warning"
    code: str
    """A stable word to match on, such as `collapse`."""
    message: str
    cure: str


@dataclass(frozen=True, kw_only=True)
class ControlApplied(Event):
    """A command from outside took effect before `step` + 1."""

    kind: ClassVar[str] = "control"
    command: Command
    source: Requester


@dataclass(frozen=True, kw_only=True)
class RolledBack(Event):
    """A step was not finite, and the run goes on from `step`, an earlier one; later steps will be told again."""

    kind: ClassVar[str] = "rolled_back"
    from_step: int
    """The step that was not finite."""
    learning_rate: float
    """The peak learning rate from now on."""
    left: int
    """How many more times the run may go back."""


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The last event of a start."""

    kind: ClassVar[str] = "finished"
    reason: Reason
    message: str
    checkpoint: str | None
    """The newest checkpoint, relative to the run directory."""
    seconds: dict[str, float]
    """Time of this start by part: `compile`, `train`, `evaluate`."""


KINDS: Mapping[str, type[Event]] = {
    cls.kind: cls
    for cls in (RunStarted, WeightsLoaded, Compiled, StepsLogged, Evaluated, EmbeddingSnapshot, CheckpointSaved,
                Planned, PlotSaved, WarningRaised, ControlApplied, RolledBack, RunFinished)
}  # fmt: skip
"""Every event by its `kind`."""


def from_json(data: Any) -> Event:
    """Reads what `Event.to_json` gave. Raises RunError for what is no event of a version this simo2 reads."""
    if not isinstance(data, Mapping):
        raise RunError(f"an event must be a JSON object, not {type(data).__name__}.")
    version = data.get("v")
    if isinstance(version, int) and version > VERSION:
        raise NewerFormatError(f"an event has version {version}; this simo2 reads up to {VERSION}. Update simo2.")
    if not isinstance(version, int):
        raise RunError(f"an event has version {version!r}; it must be a number.")
    kind = KINDS.get(str(data.get("event")))
    if kind is None:
        raise RunError(f"{data.get('event')!r} is no event that this simo2 knows.")
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    _require_inside(kind, data)
    try:
        data = kind.fields_of(data)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"the {kind.kind} event is unfit: {error!s:.80}.") from None
    for item in dataclasses.fields(kind):
        if item.name not in data and item.name != "step" and item.default is not dataclasses.MISSING:
            continue  # what not every event has, and older ones never had
        if item.name not in data:
            raise RunError(f"the {kind.kind} event has no {item.name!r}.")
        try:
            values[item.name] = _decode(data[item.name], hints[item.name])
        except (TypeError, ValueError, OverflowError):
            raise RunError(f"the {kind.kind} event has an unfit {item.name!r}: {data[item.name]!r:.80}.") from None
    return kind(**values)


def _require_inside(kind: type[Event], data: Mapping[str, Any]) -> None:
    """Refuses a path that leads out of the run's folder: what is there would be read, or sent to a service."""
    if kind not in (EmbeddingSnapshot, CheckpointSaved, PlotSaved, RunFinished):
        return
    path = data.get("checkpoint" if kind is RunFinished else "path")
    if isinstance(path, str) and (path.startswith("/") or ".." in path.split("/") or "\0" in path):
        raise RunError(f"the {kind.kind} event has a path that leads out of its run: {path!r:.80}.")


def from_line(line: str | bytes) -> Event:
    """Reads one line of `events.jsonl`; raises RunError when it is torn or no event."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        raise RunError(f"a line of the event log is not JSON: {line!r:.80}.") from None
    return from_json(data)


def _encode(value: Any) -> Any:
    if isinstance(value, StrEnum | Requester):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _encode(item) for key, item in value.items()}
    return value


def _decode(value: Any, kind: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError
        return tuple(_decode(item, typing.get_args(kind)[0]) for item in value)
    if origin is dict:
        return {str(key): _decode(item, typing.get_args(kind)[1]) for key, item in dict(value).items()}
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        return float(value)
    if kind in (str | None, float | None):
        return None if value is None else _decode(value, typing.get_args(kind)[0])
    if kind in (Command, Reason, Requester):
        if not isinstance(value, str):
            raise ValueError
        return Requester.parse(value) if kind is Requester else kind(value)
    if type(value) is not kind or (kind is int and abs(value) > _LARGEST):
        raise ValueError
    return value
