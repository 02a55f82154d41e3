"""What the encoder is worth right now: kNN and geometry, on validation while training, on test once at the end."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis import geometry
from simo2_core.analysis.embed import TrainedEncoder
from simo2_core.analysis.metrics import knn_accuracy
from simo2_core.data.dataset import DataPart, Dataset
from simo2_core.evaluation.thumbnails import small_images
from simo2_core.events import EmbeddingSnapshot, Evaluated, WarningRaised
from simo2_core.objectives.objective import Objective
from simo2_core.run.directory import RunDirectory
from simo2_core.run.files import write_whole

NEIGHBOURS = 20
"""k of the kNN protocol: cosine, weights exp(cos/0.07)."""

COLLAPSED_RANK = 1.5
"""An effective rank below this is a collapse: the embedding is nearly one line."""


AT_MOST = {"validation": 10_000, "test": 50_000}
"""Most images that an evaluation embeds, of the split and of the training part each, by split. What is left out is a
fair sample by class, the same each time, and the event says how many were used."""


def looked_at(dataset: Dataset, split: str) -> tuple[DataPart, DataPart]:
    """The images of `split` that an evaluation classifies, and the training images that vote."""
    part = dataset.test if split == "test" else dataset.validation
    return part.thin(AT_MOST[split]), dataset.train.thin(AT_MOST[split])


RAW_SIDE = 96
"""Pixels of a side of images as raw pixels: 10,000 of the 224 that pretrained encoders take would be 6 GB."""


def flatten_pixels(part: DataPart) -> NDArray[np.float32]:
    """(n, h*w*ch) pixels in [0, 1]: the baseline that an encoder has to beat; larger ones are shrunk to `RAW_SIDE`."""
    return small_images(part, RAW_SIDE).reshape(len(part), -1).astype(np.float32) / np.float32(255)


def raw_pixels_knn(dataset: Dataset, split: str) -> float:
    """kNN accuracy of `split` on raw pixels, in [0, 1]."""
    part, bank = looked_at(dataset, split)
    return _knn(flatten_pixels(part), part, flatten_pixels(bank), bank)


def _knn(queries: NDArray[np.float32], part: DataPart, features: NDArray[np.float32], bank: DataPart) -> float:
    return float(knn_accuracy(queries, part.labels, features, bank.labels, classes=len(bank.counts), k=NEIGHBOURS))


@dataclass(frozen=True)
class Evaluation:
    """One look at a split: the event, and the embedding it was computed from."""

    event: Evaluated
    embedding: NDArray[np.float32]
    """(n, D) unit rows."""
    labels: NDArray[np.int32]


STUCK_SHARE = 0.03
"""More same-class pairs of training images at a right angle than this, from `GATHERED_BY` on, are not being gathered. A
run on letters, 5 classes × 32, had that many at 0.3 of its steps, 0.7% at the end, and reached 74%."""

STUCK_AT_END = 0.012
"""More of them than this at the end were not gathered. Measured on letters after 400 steps, 26 classes × 4 to 5 × 32,
with the published settings and those that gather, and a dropout of 0.2: the 11 runs above it reach 18 to 52% of test
kNN, where raw pixels have 70%; the 37 below, all of the default among them, 65 to 90%. Without dropout the 7 above it
reach 47 to 83%, the 53 below 72 to 93%."""

GATHERED_BY = 0.25
"""The share of a run after which pairs should be gathered: digits in batches of 10 classes × 4 that gather have up to
5% of them stuck until a fifth of it, and below 1% from a quarter on."""

Classify = Callable[[NDArray[np.float32]], NDArray[np.int32]]
"""From (n, F) representations to (n,) classes."""


def evaluate(
    encoder: TrainedEncoder,
    dataset: Dataset,
    split: str,
    step: int,
    raw_pixels: float | None = None,
    classify: Classify | None = None,
    gathers: bool = True,
    views: Callable[[DataPart], NDArray[np.float32]] | None = None,
) -> Evaluation:
    """Measures `split`, `validation` or `test`, against the training part as the bank.

    Args:
        raw_pixels: the raw-pixel accuracy where it is known already.
        classify: the classifier that is trained, where there is one.
        gathers: whether training draws the projections of images of one class together.
        views: gives (n, F) representations averaged over views of each image, to be measured as well.
    """
    start = time.monotonic()
    part, bank = looked_at(dataset, split)
    bank_representation, bank_embedding = encoder.part(bank)
    representation, embedding = encoder.part(part)
    of_views = None if views is None else views(part)
    pairs = geometry.cosine_distributions(embedding, part.labels)
    gram = geometry.class_gram(embedding, part.labels, len(dataset.class_names))
    event = Evaluated(
        step=step,
        split=split,
        images=len(part),
        bank=len(bank),
        knn_representation=_knn(representation, part, bank_representation, bank),
        knn_projection=_knn(embedding, part, bank_embedding, bank),
        knn_raw_pixels=raw_pixels_knn(dataset, split) if raw_pixels is None else raw_pixels,
        effective_rank=geometry.effective_rank(embedding),
        same_class_cosine=pairs.same_mean,
        different_class_cosine=pairs.different_mean_abs,
        largest_class_cosine=geometry.largest_class_cosine(gram),
        least_class_cosine=geometry.least_class_cosine(gram),
        classifier=None if classify is None else float(np.mean(classify(representation) == part.labels)),
        stuck_pairs=geometry.cosine_distributions(bank_embedding, bank.labels).same_right_angle if gathers else None,
        knn_views=None if of_views is None else _knn(of_views, part, bank_representation, bank),
        classifier_views=(
            None if of_views is None or classify is None else float(np.mean(classify(of_views) == part.labels))
        ),
        seconds=time.monotonic() - start,
    )
    return Evaluation(event, embedding, part.labels)


def save_snapshot(
    run: RunDirectory, step: int, embedding: NDArray[np.float32], labels: NDArray[np.int32], class_names: Sequence[str]
) -> EmbeddingSnapshot:
    """Writes the embedding (n, D) of the validation part to `embeddings/STEP.npz`; raises OSError when it cannot."""
    arrays: dict[str, Any] = {
        "embedding": embedding,
        "labels": labels,
        "class_names": np.array(class_names),
        "step": np.int64(step),
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    path = run.embeddings / f"{step}.npz"
    write_whole(path, buffer.getvalue())
    return EmbeddingSnapshot(step=step, path=str(path.relative_to(run.path)), images=len(labels))


def result_alarms(event: Evaluated) -> list[WarningRaised]:
    """What the result of a run warns of: an encoder whose neighbours are worse than those of raw pixels."""
    reached, raw = event.knn_representation, event.knn_raw_pixels
    if reached >= raw:
        return []
    message = f"{event.split} kNN is {reached:.2%}, below the {raw:.2%} of raw pixels: the encoder is worse than none."
    cure = "Train longer (--steps), lower --learning-rate, or look in the curves for a collapse."
    return [WarningRaised(step=event.step, code="below_raw_pixels", message=message, cure=cure)]


def alarms(
    event: Evaluated, already: set[str], objective: Objective, batch: tuple[int, int], progress: float = 1.0
) -> list[WarningRaised]:
    """What an evaluation warns of, each code once a run: `already` remembers.

    They judge the embedding, so an objective that does not train the projection head raises none.

    Args:
        batch: groups of a training batch, and samples of each.
        progress: how much of the run is done, in [0, 1].
    """
    found: list[tuple[str, str, str]] = []
    if not objective.trains_projection:
        return []
    if event.effective_rank < COLLAPSED_RANK:
        message = f"the embedding has collapsed: effective rank {event.effective_rank:.2f}."
        found.append(("collapse", message, "Lower --learning-rate, or raise --samples-per-class."))
    if event.same_class_cosine < 0:
        message = f"same-class pairs part (mean cosine {event.same_class_cosine:.2f})"
        why, more = objective.about_parted_classes()
        cure = "Lower --learning-rate, or try another --seed" + (f", or {more}." if more else ".")
        found.append(("same_class_opposite", message + (f": {why}." if why else "."), cure))
    why, cure = objective.about_stuck_pairs(*batch)
    allowed = STUCK_SHARE if progress < 1 else STUCK_AT_END
    if cure and progress >= GATHERED_BY and (event.stuck_pairs or 0) > allowed:
        message = f"{event.stuck_pairs:.0%} of the same-class pairs of training images stand at a right angle: {why}."
        found.append(("pairs_stuck", message, cure))
    least = event.largest_class_cosine if event.least_class_cosine is None else event.least_class_cosine
    if least < geometry.OPPOSITE_COSINE:
        message = f"two class means are opposite, not orthogonal: cosine {least:.2f}."
        cure = "Nearest neighbours still work; more --steps or a larger --embedding-size may part them."
        why, better = objective.about_opposite_classes()
        message, cure = f"{message} {why}".rstrip(), better or cure
        found.append(("classes_opposite", message, cure))
    new = [item for item in found if item[0] not in already]
    already.update(code for code, _, _ in new)
    return [WarningRaised(step=event.step, code=code, message=message, cure=cure) for code, message, cure in new]
