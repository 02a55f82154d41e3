"""The SIMO2 loss as an objective: see `simo2_core.loss`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from simo2_core.findings import Finding
from simo2_core.loss_floor import DISTANCES, REDUCTIONS, loss_floor, pair_counts
from simo2_core.objectives.objective import Batch, Loss, Objective, Seen, Task, Term
from simo2_core.settings import setting

if TYPE_CHECKING:
    from simo2_core.objectives.objective import Arrays


@dataclass(frozen=True, kw_only=True)
class Simo2(Objective):
    """Pairs of one class together, pairs of classes and of class means orthogonal; the terms are its components."""

    name = "simo2"
    summary = "one class together, different classes and class means orthogonal"
    softened_by = "epsilon"
    arms: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "simo2": {"distance": "euclidean"},
        "simo2-line": {"distance": "line"},
        "simo2-views": {"labels": "none"},
        "simo2-line-views": {"distance": "line", "labels": "none"},
    }

    orth_lean: float = setting(
        1 / 137, "α, the target of different-class pairs: 0 is orthogonal, 1 is equal", at_least=0, below=0.5,
        cure="From 0.5 on, different classes are no longer pushed apart.",
    )  # fmt: skip
    epsilon: float = setting(1 / 137, "ε, added to the squared distance of a pair", above=0)
    distance: str = setting(
        "euclidean",
        "distance of different-class pairs: euclidean as published; line makes opposite as costly as equal, "
        "where D is at least the number of classes",
        choices=DISTANCES,
    )
    bias: float = setting(0.0, "b of the kernel (a·b + b)²/(ε + ‖a−b‖²)", at_least=0, at_most=1)
    reduction: str = setting("sum", "how pairs are put together", choices=REDUCTIONS)

    def terms(self, classes: int, samples_per_class: int) -> dict[str, Term]:
        pairs = pair_counts(classes, samples_per_class)
        floor = loss_floor(classes, samples_per_class, epsilon=self.epsilon, bias=self.bias)
        titles = {"total": "total", "same": "same class", "mean": "class means", "diff": "different classes"}
        if self.reduction == "sum":
            return {name: Term(title, getattr(pairs, name), getattr(floor, name)) for name, title in titles.items()}
        least = {name: getattr(floor, name) / max(1.0, getattr(pairs, name)) for name in ("same", "mean", "diff")}
        return {name: Term(title, 1, least.get(name, sum(least.values()))) for name, title in titles.items()}

    def loss(self, params: Arrays, seen: Seen, task: Task) -> Loss:
        from simo2_core.loss import simo2_loss

        total, same, mean, diff = simo2_loss(
            seen.embedding,
            orth_lean=self.orth_lean,
            epsilon=self.epsilon,
            distance=self.distance,
            bias=self.bias,
            reduction=self.reduction,
        )
        return Loss(total, {"same": same, "mean": mean, "diff": diff})

    def about_opposite_classes(self) -> tuple[str, str]:
        if self.distance == "line":
            return "", ""
        return (
            "The published loss allows it (a pair costs 1.25 there, against 1 when orthogonal).",
            "Nearest neighbours still work; --distance line makes opposite as costly as equal.",
        )

    def about_parted_classes(self) -> tuple[str, str]:
        return "the loss is blind to sign", "--bias 0.5, which sees it"

    def advice(self, batch: Batch) -> Iterable[Finding]:
        if batch.labels != "none":
            yield from self._about_dimensions(batch)
        yield from self._about_balance(batch)

    def _about_dimensions(self, batch: Batch) -> Iterable[Finding]:
        classes, dims = batch.all_classes, batch.dimensions
        if self.distance == "line" and classes > dims:
            yield Finding(
                "warning",
                "line-crowded",
                f"the distance between lines lets no classes be opposite, and {classes} classes in {dims} dimensions "
                "need that.",
                f"Use --distance euclidean, or --embedding-size {classes} or more.",
            )
        if self.distance != "line" and classes <= dims:
            yield Finding(
                "info",
                "line-advised",
                f"{classes} classes can be orthogonal in {dims} dimensions, and the published loss also lets pairs of "
                "them settle opposite.",
                "For orthogonal class means use --distance line.",
            )

    def _about_balance(self, batch: Batch) -> Iterable[Finding]:
        """Whether pulling keeps up with pushing: at right angles a pair of one class has no gradient to return by.

        An image has k − 1 pairs of its own class and C − 1 of others in its slot. What comes of too few was measured
        (26 letters, batch 160: kNN 23% for 20 classes of 8, 73% for 10 of 16, 80% for 5 of 32).
        """
        k = batch.samples
        if batch.classes < 2:
            return
        if self.reduction == "mean":
            yield Finding(
                "warning",
                "few-pairs",
                "--reduction mean counts pairs of one class no more than those of classes and of their means, which "
                "parts classes before it gathers them.",
                "Use --reduction sum, which counts more of them the more --samples-per-class there are.",
            )
        elif batch.classes > k:
            enough = next(more for more in range(k, batch.size + 1) if batch.size // more <= more)
            yield Finding(
                "warning",
                "few-pairs",
                f"a batch of {batch.classes} classes x {k} samples has more pairs of classes than of one class, and "
                "the loss may part all images before it gathers any.",
                f"Use --samples-per-class {enough}, which draws {batch.size // enough} classes, or fewer classes "
                f"with --batch-size {k * k}.",
            )
