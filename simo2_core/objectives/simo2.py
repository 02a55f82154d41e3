"""The SIMO2 loss as an objective: see `simo2_core.loss`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from simo2_core.findings import Finding
from simo2_core.loss_floor import DISTANCES, NEGATIVES, REDUCTIONS, balanced_pull, loss_floor, pair_counts
from simo2_core.objectives.objective import DECIDED, Batch, Loss, Objective, Seen, Task, Term
from simo2_core.recipes import beside
from simo2_core.settings import as_typed, read_switch, require, setting

if TYPE_CHECKING:
    from jax import Array

    from simo2_core.objectives.objective import Arrays

BALANCED = "balanced"
"""As a pull: `balanced_pull` of the batch."""

AUTO = "auto"
"""As a distance: between lines where all classes fit at right angles, D ≥ C.
As a pull: as the batch needs it. With 1.5 times as many images of each class as classes it gathers with the paper's
pull. With fewer it does so late or not at all: there it is twice the balanced one (the guide's page of the loss has the
measurements).
As the first ε: 1 in such batches, which was so by default until an encoder without dropout needed it no more."""

_FIRST_EPSILON = 1.0
_TIMES_BALANCED = 2.0
_ENOUGH = 1.5
"""So many images of each class as classes, in a batch, are enough for the paper's settings."""
_MANY = 10
"""With so many images of each class in a batch the paper's settings gathered letters, of however many classes."""

PUBLISHED: Mapping[str, Any] = {
    "orth_lean": 1 / 137, "epsilon": 1 / 137, "same_epsilon": None, "epsilon_start": None, "epsilon_until": 1.0,
    "distance": "euclidean", "bias": 0.0, "same_bias": None, "pull": 1.0, "negatives": "slots",
    "reduction": "sum",
}  # fmt: skip
"""The settings of the paper, arXiv 2410.05233."""


@dataclass(frozen=True, kw_only=True)
class Simo2(Objective):
    """Pairs of one class together, pairs of classes and of class means orthogonal; the terms are its components."""

    name = "simo2"
    summary = "one class together, different classes and class means orthogonal"
    softened_by = "epsilon"
    arms: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "simo2-published": {"published": True},
        "simo2-balanced": {"epsilon": 1.0, "pull": BALANCED},
        "simo2-course": {"epsilon_start": 1.0, "pull": BALANCED},
        "simo2-line": {"distance": "line"},
        "simo2-euclidean": {"distance": "euclidean"},
        "simo2-slots": {"negatives": "slots"},
        "simo2-views": {"labels": "none"},
        "simo2-line-views": {"distance": "line", "labels": "none"},
    }

    orth_lean: float = setting(
        1 / 137,
        "α, the target of different-class pairs: 0 is orthogonal, 1 is equal",
        at_least=0,
        below=0.5,
        cure="From 0.5 on, different classes are no longer pushed apart.",
    )
    epsilon: float = setting(1 / 137, "ε, added to the squared distance of a pair", above=0)
    same_epsilon: float | None = setting(None, "ε of pairs of one class; none for that of --epsilon", above=0)
    epsilon_start: float | str | None = setting(
        None,
        "ε of all pairs at the first step, from where it falls to the others as a geometric series; none for no fall; "
        "auto for 1 in batches of fewer than 1.5 times as many images of each class as classes, else none",
        choices=(AUTO,),
        above=0,
    )
    epsilon_until: float = setting(
        0.5, "share of the run after which ε has fallen from --epsilon-start to the end", above=0, at_most=1
    )
    distance: str = setting(
        AUTO,
        "distance of different-class pairs: line makes opposite as costly as equal; euclidean as published; auto for "
        "line where D is at least the number of classes, else euclidean",
        choices=(AUTO, *DISTANCES),
    )
    bias: float = setting(0.0, "b of the kernel (a·b + b)²/(ε + ‖a−b‖²)", at_least=0, at_most=1)
    same_bias: float | None = setting(None, "b of pairs of one class; none for that of --bias", at_least=0, at_most=10)
    pull: float | str = setting(
        AUTO,
        "weight of pairs of one class: a number; balanced, (C−1)/(k−1), which evens out the pairs of an image; auto, "
        "twice that in batches of fewer than 1.5 times as many images of each class as classes, else 1",
        choices=(AUTO, BALANCED),
        above=0,
    )
    negatives: str = setting(
        AUTO,
        "which pairs of images of different classes count: all, each weighed 1/k; slots, the first of each class with "
        "one another, then the second …, as published: the same on average, and less steady; auto for all, with "
        "--published for slots",
        choices=(AUTO, *NEGATIVES),
    )
    reduction: str = setting("sum", "how pairs are put together", choices=REDUCTIONS)
    published: bool = setting(False, "all settings of the loss as in the paper, whatever the preset says")

    def check(self) -> None:
        require(
            self.pull != BALANCED or self.reduction == "sum",
            "pull",
            self.pull,
            "a number with --reduction mean",
            "The mean counts each kind of pairs alike already: use --pull 1, or --reduction sum.",
        )
        for name, value in PUBLISHED.items() if self.published else ():
            if getattr(self, name) == getattr(type(self), name):  # nobody asked for it
                object.__setattr__(self, name, value)
            require(
                getattr(self, name) == value,
                name,
                getattr(self, name),
                f"{as_typed(value)} with --published",
                f"Leave out --{name.replace('_', '-')}, or use --no-published.",
            )

    def with_values(self, values: Mapping[str, Any]) -> Self:
        if read_switch(str(values.get("published", False))):
            return type(self)(**{**PUBLISHED, **values})
        return super().with_values(values)

    def distance_of(self, classes: int, dimensions: int) -> str:
        """The distance of different-class pairs, for C classes of the data set in D dimensions."""
        if self.distance == AUTO:
            return "line" if classes <= dimensions else "euclidean"
        return self.distance

    def pull_of(self, classes: int, samples_per_class: int) -> float:
        """The weight of same-class pairs in batches of C classes of k samples."""
        if isinstance(self.pull, float):
            return self.pull
        if self.pull == BALANCED:
            return balanced_pull(classes, samples_per_class)
        return _by_itself(self, classes, samples_per_class)

    def first_epsilon(self, classes: int, samples_per_class: int) -> float | None:
        """ε at the first step, in batches of C classes of k samples; None where it is the last one all along."""
        if isinstance(self.epsilon_start, str):
            first = max(_FIRST_EPSILON, self.epsilon, self.same_epsilon or 0.0)  # it never rises
            return first if _gathers_late(self, classes, samples_per_class) else None
        return self.epsilon_start

    def epsilon_at(self, progress: Array | float, first: float | None, *, same: bool) -> Array | float:
        """ε of pairs of one class, or of all others, at a share of the run, a scalar in [0, 1].

        From `first` s to the last value e it is s^(1−t) e^t, t from 0 to 1 at `epsilon_until` of the run.
        """
        import jax.numpy as jnp

        last = self.epsilon if self.same_epsilon is None or not same else self.same_epsilon
        if first is None:
            return last
        t = jnp.minimum(jnp.asarray(progress) / self.epsilon_until, 1)
        return jnp.exp((1 - t) * math.log(first) + t * math.log(last))

    def terms(self, classes: int, samples_per_class: int) -> dict[str, Term]:
        pairs = pair_counts(classes, samples_per_class)
        last = self.epsilon if self.same_epsilon is None else self.same_epsilon
        first = self.first_epsilon(classes, samples_per_class)
        floor = loss_floor(
            classes,
            samples_per_class,
            epsilon=last if first is None else min(last, first),
            bias=self.bias if self.same_bias is None else self.same_bias,
            pull=self.pull_of(classes, samples_per_class),
        )
        titles = {"total": "total", "same": "same class", "mean": "class means", "diff": "different classes"}
        if self.reduction == "sum":
            return {name: Term(title, getattr(pairs, name), getattr(floor, name)) for name, title in titles.items()}
        least = {name: getattr(floor, name) / max(1.0, getattr(pairs, name)) for name in ("same", "mean", "diff")}
        return {name: Term(title, 1, least.get(name, sum(least.values()))) for name, title in titles.items()}

    def loss(self, params: Arrays, seen: Seen, task: Task) -> Loss:
        from simo2_core.loss import simo2_loss

        first = self.first_epsilon(*seen.embedding.shape[:2])
        total, same, mean, diff = simo2_loss(
            seen.embedding,
            orth_lean=self.orth_lean,
            epsilon=self.epsilon_at(seen.progress, first, same=False),
            same_epsilon=self.epsilon_at(seen.progress, first, same=True),
            distance=self.distance_of(task.classes, task.embedding_size),
            bias=self.bias,
            same_bias=self.same_bias,
            pull=self.pull_of(*seen.embedding.shape[:2]),
            negatives="all" if self.negatives == AUTO else self.negatives,
            reduction=self.reduction,
        )
        return Loss(total, {"same": same, "mean": mean, "diff": diff})

    def about_opposite_classes(self) -> tuple[str, str]:
        if self.distance != "euclidean":
            return "", ""
        return (
            "The published loss allows it (a pair costs 1.25 there, against 1 when orthogonal).",
            f"Nearest neighbours still work; {_to_lines(self)} makes opposite as costly as equal.",
        )

    def about_parted_classes(self) -> tuple[str, str]:
        return "the loss is blind to sign", "--bias 0.5, which sees it"

    def about_stuck_pairs(self, classes: int, samples_per_class: int) -> tuple[str, str]:
        if self.pull_of(classes, samples_per_class) < _by_itself(self, classes, samples_per_class):
            cure = f"{_to_auto(self)}, and start again."
        else:
            cure = "Start again with more --samples-per-class, or a smaller --learning-rate."
        return "the loss has parted them, and hardly moves them there", cure

    def advice(self, batch: Batch) -> Iterable[Finding]:
        yield from _about_balance(self, batch)
        if batch.labels != "none":
            yield from _about_dimensions(self, batch)


def _about_dimensions(objective: Simo2, batch: Batch) -> Iterable[Finding]:
    classes, dims = batch.all_classes, batch.dimensions
    distance = objective.distance_of(classes, dims)
    if distance == "line" and classes > dims:
        yield Finding(
            "warning",
            "line-crowded",
            f"the distance between lines lets no classes be opposite, and {classes} classes in {dims} dimensions "
            "need that.",
            f"Leave out --distance, or use --embedding-size {classes} or more.",
        )
    if distance == "line" and objective.distance == AUTO:
        yield Finding(
            "info",
            DECIDED,
            f"{classes} classes can be orthogonal in {dims} dimensions, so opposite costs as much as equal "
            "(--distance line).",
            "--distance euclidean is the paper's.",
        )
    if distance == "euclidean" and classes <= dims:
        yield Finding(
            "info",
            "line-advised",
            f"{classes} classes can be orthogonal in {dims} dimensions, and the published loss also lets pairs of "
            "them settle opposite.",
            f"For orthogonal class means use {_to_lines(objective)}.",
        )


def _about_balance(objective: Simo2, batch: Batch) -> Iterable[Finding]:
    """Whether pulling keeps up with pushing: at right angles a pair of one class has no gradient to return by.

    An image has k − 1 pairs of its own class and C − 1 of others in its slot. What comes of too few was measured with
    the paper's settings: letters reach a kNN of 53% in 26 classes of 4 and 84% in 20 of 8 (with a dropout of 0.2 19 and
    22%), photographs in 10 of 8 37%, where `auto` has 91, 92 and 47%. From 10 images of a class on letters gather: 86%
    in 16 of 10, 90% in 26 of 10.
    """
    k = batch.samples
    if batch.classes < 2:
        return
    first = objective.first_epsilon(batch.classes, k)
    if AUTO in (objective.pull, objective.epsilon_start) and _gathers_late(objective, batch.classes, k):
        yield Finding(
            "info",
            DECIDED,
            f"{batch.classes} classes x {k} samples are few of each class: pairs of one class weigh "
            f"{objective.pull_of(batch.classes, k):.3g}{'' if first is None else f', and ε begins at {first:.3g}'}.",
            "--published is the paper's loss.",
        )
    if objective.reduction == "mean":
        yield Finding(
            "warning",
            "few-pairs",
            "--reduction mean counts pairs of one class no more than those of classes and of their means, which "
            "parts classes before it gathers them.",
            "Use --reduction sum, which counts more of them the more --samples-per-class there are.",
        )
    elif not _pulls_enough(objective, batch.classes, k):
        yield Finding(
            "warning",
            "few-pairs",
            f"a batch of {batch.classes} classes x {k} samples has few of each class, and more pairs of classes than "
            "of one class: the loss may part all images before it gathers any.",
            "; or ".join((_to_auto(objective), *_other_batches(objective, batch))) + ".",
        )

    if objective.pull == BALANCED and objective.pull_of(batch.classes, k) < 1:
        yield Finding(
            "info",
            "weak-pull",
            f"--pull {BALANCED} is {objective.pull_of(batch.classes, k):.2f} in a batch of {batch.classes} classes x "
            f"{k} samples, less than the paper's 1, with which such batches gathered better on letters.",
            "Leave out --pull, or use fewer --samples-per-class.",
        )


def _other_batches(objective: Simo2, batch: Batch) -> Iterable[str]:
    """Batches that need no other pull, of no more classes and images than there are."""
    most = batch.size // 2 if batch.most_samples is None else min(batch.size // 2, batch.most_samples)
    for k in range(batch.samples + 1, most + 1):
        classes = min(batch.size // k, batch.all_classes)
        if _pulls_enough(objective, classes, k):
            yield f"{beside(batch.recipe, f'--samples-per-class {k}')}, which draws {classes} classes"
            break
    fewer = next(c for c in range(batch.classes - 1, 0, -1) if _pulls_enough(objective, c, batch.samples))
    if fewer >= 2:
        yield f"fewer classes with {beside(batch.recipe, f'--batch-size {fewer * batch.samples}')}"


def _pulls_enough(objective: Simo2, classes: int, samples: int) -> bool:
    """Whether an image has enough to pull it, in pairs of C classes of k samples: as much as to push it, or many."""
    nearly = 1.01  # a pull of 25/3 may be typed as 8.33
    return samples >= _MANY or classes - 1 <= nearly * objective.pull_of(classes, samples) * (samples - 1)


def _gathers_late(objective: Simo2, classes: int, samples_per_class: int) -> bool:
    """Whether the paper's settings part images of one class in batches of C classes of k samples."""
    return 1 < samples_per_class < _ENOUGH * classes and objective.reduction == "sum"


def _by_itself(objective: Simo2, classes: int, samples_per_class: int) -> float:
    """The pull that `auto` stands for."""
    helped = _gathers_late(objective, classes, samples_per_class)
    return _TIMES_BALANCED * balanced_pull(classes, samples_per_class) if helped else 1.0


def _to_auto(objective: Simo2) -> str:
    return "Leave out --published" if objective.published else f"Use --pull {AUTO}"


def _to_lines(objective: Simo2) -> str:
    return "--distance line without --published" if objective.published else "--distance line"
