"""What an objective is: a loss of what a training pass saw, and what it says about itself.

An objective is one file: a frozen dataclass whose fields are its settings. It imports jax inside its functions, so that
its settings are known without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from simo2_core.errors import PartError
from simo2_core.faults import called, shape_of
from simo2_core.findings import Finding
from simo2_core.parts import Part
from simo2_core.recipes import NONE

if TYPE_CHECKING:
    from jax import Array

    Arrays = dict[str, Array]

DECIDED = "loss-decided"
"""Code of what an objective says of a batch when it decides what its settings leave open."""

PREFIX = "objective/"
"""Under which an objective's own parameters lie among those that are trained."""


class Seen(NamedTuple):
    """What a training pass saw of one batch: C classes of k samples, k rows of one class after another."""

    embedding: Array
    """(C, k, D) unit rows."""
    representation: Array
    """(C*k, F)"""
    classes: Array
    """(C,) int32, the class of each group."""
    images: Array
    """(C*k, H, W, ch) float32, normalised, as the augmentation left them."""
    progress: Array | float = 1.0
    """() float32, how far the run is: 0 at its first step, 1 at its last."""
    key: Array | None = None
    """What `view` was given to draw with; None where it was not asked."""


class Loss(NamedTuple):
    """Scalars: what is minimised, and the terms that a chart shows beside it, by the names that `terms` gives them."""

    total: Array
    terms: dict[str, Array]


@dataclass(frozen=True)
class Task:
    """What an objective is trained on: sizes alone."""

    classes: int
    """C, of the data set."""
    image_shape: tuple[int, int, int]
    """Height, width, channels."""
    features: int
    """F, of the representation."""
    embedding_size: int
    """D"""
    widths: tuple[int, ...]
    """Channels of the encoder's stages, the last of which is F where it has stages."""


@dataclass(frozen=True)
class Batch:
    """What is drawn for each step, for advice before a run."""

    classes: int
    samples: int
    """k, of each class."""
    size: int
    """Images that the settings ask for: classes × k is at most this."""
    all_classes: int
    """C, of the data set."""
    dimensions: int
    """D, of the embedding."""
    labels: str
    """What makes two images a pair: `classes`, or `none`."""
    most_samples: int | None = None
    """Training images of the smallest class: more samples than that repeat some. None where none do, or not known."""
    recipe: str = NONE
    """By which the run is trained: an option that it decides is named beside it, see `recipes.beside`."""


@dataclass(frozen=True)
class Term:
    """One number of each step."""

    title: str
    """What it is, in words for a chart."""
    pairs: float = 1
    """How many pairs the reported number adds up; 1 where it is a mean, or no sum over pairs."""
    floor: float | None = None
    """The least that the reported number can be; None where no bound is known."""


class Objective(Part):
    """The base of all objectives. What is below is what one that looks at the embedding alone may leave as it is."""

    trains_projection: ClassVar[bool] = True
    """Whether the loss looks at the embedding: where it does not, the projection head stays as it was drawn."""
    allowed_labels: ClassVar[tuple[str, ...]] = ("classes", "none")
    """What may make two images a pair."""
    labels_cure: ClassVar[str] = ""
    """What to do instead where other labels are asked for: a sentence."""
    classifies: ClassVar[bool] = False
    """Whether `classify` gives logits of the classes that it was trained with."""
    compares_images: ClassVar[bool] = True
    """Whether the loss compares images of a batch with one another, classes of equal size; where it is a mean over
    images, each by itself, a batch may hold classes as the data have them, in groups of one image."""
    reconstructs: ClassVar[bool] = False
    """Whether `reconstruct` gives images back."""
    softened_by: ClassVar[str] = ""
    """The setting whose larger value makes the loss less steep: a cure for a loss that is not finite."""
    arms: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Short names for `simo2 compare`, each with the settings that it stands for; its own name always is one."""

    # -- on the host

    def terms(self, classes: int, samples_per_class: int) -> dict[str, Term]:
        """What a step reports for batches of C classes of k samples, by name; `total` is the first."""
        return {"total": Term("total")}

    def advice(self, batch: Batch) -> Iterable[Finding]:
        """What to know before a run with such batches."""
        return ()

    def about_opposite_classes(self) -> tuple[str, str]:
        """More to say, and the cure, when two class means have settled opposite; empty where there is nothing."""
        return "", ""

    def about_parted_classes(self) -> tuple[str, str]:
        """The reason, and one more cure, when samples of one class point away from each other."""
        return "", ""

    def about_stuck_pairs(self, classes: int, samples_per_class: int) -> tuple[str, str]:
        """The reason, and the cure, when samples of one class stay at a right angle, in batches of C classes of k
        samples; no cure where it says nothing."""
        return "", ""

    # -- on the device

    def init(self, key: Array, task: Task) -> Arrays:
        """The first values of its own parameters, by name."""
        return {}

    def view(self, key: Array, images: Array) -> Array:
        """What the encoder is shown of (N, H, W, ch) normalised images."""
        return images

    def loss(self, params: Arrays, seen: Seen, task: Task) -> Loss:
        """The loss of a batch; `params` as `init` made them. Runs inside `jax.jit` and is differentiated."""
        raise NotImplementedError

    def classify(self, params: Arrays, representation: Array) -> Array:
        """(N, C) logits of (N, F) representations, where it `classifies`."""
        raise NotImplementedError

    def reconstruct(self, params: Arrays, representation: Array, task: Task) -> Array:
        """(N, H, W, ch) normalised images of (N, F) representations, where it `reconstructs`."""
        raise NotImplementedError

    @classmethod
    def adapt(cls, found: Any, name: str) -> type[Part] | None:
        """An objective made of a function: (C, k, D) unit embeddings to a scalar."""
        if not callable(found) or isinstance(found, type):
            return None
        return objective_of(found, name)


def require_loss(objective: Objective, loss: Loss) -> Loss:
    """The loss, where it is one that can be minimised and charted.

    Raises:
        PartError: it is no `Loss`, a number of it is no scalar, or it lacks terms that the objective has told of.
    """
    import jax.numpy as jnp

    who = called("objective", objective)
    if not isinstance(loss, Loss):
        raise PartError(f"{who} gave {shape_of(loss)} as its loss; it must be Loss(total, terms).")
    for name, value in {"total": loss.total, **loss.terms}.items():
        real = (jnp.floating,) if name == "total" else (jnp.floating, jnp.integer, jnp.bool_)
        if getattr(value, "shape", None) != () or not any(jnp.issubdtype(value.dtype, kind) for kind in real):
            raise PartError(f"{who} gave {shape_of(value)} as {name}; it must be a float32 scalar, such as a mean.")
    if lacking := sorted({*objective.terms(2, 2)} - {"total", *loss.terms}):
        raise PartError(f"{who} has told of the terms {', '.join(lacking)}, and its loss gives none of them.")
    return loss


def objective_of(function: Callable[[Array], Array], name: str) -> type[Objective]:
    """The objective whose loss is a function of the embedding alone.

    Args:
        function: takes (C, k, D) unit rows, k samples of each of C classes, and returns a float32 scalar; it must be
            what `jax.jit` and `jax.grad` can work with.
        name: what it is called.
    """

    def loss(self: Objective, params: Arrays, seen: Seen, task: Task) -> Loss:
        return Loss(function(seen.embedding), {})

    body = {"loss": loss, "name": name, "__doc__": function.__doc__, "__module__": function.__module__}
    made = type(getattr(function, "__name__", "Function"), (Objective,), body)
    return dataclass(frozen=True, kw_only=True)(made)
