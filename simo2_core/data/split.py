"""Which images of each class train, validate and test: a stratified cut that is the same on every machine.

In each class block the rows come in a shuffled order that depends on the split seed alone, training rows first,
then validation, then test. So every part is a run of rows in each block and nothing is ever copied.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simo2_core.errors import DataError


@dataclass(frozen=True, eq=False)
class Cut:
    """How many rows of each class go where, in the order in which they lie; each (C,) int64."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    """All zero when its images lie elsewhere, as validation's when they do."""


def class_order(labels: NDArray[np.integer], classes: int, *, split_seed: int) -> NDArray[np.int64]:
    """The permutation that sorts images by class, shuffled inside each class.

    The shuffle is a hash of (seed, position in the class), not a numpy generator: numpy may change the stream of
    a generator between versions, and a test image must never wander into training because of an upgrade.

    Args:
        labels: (N,) class of each image in the order of the source, in [0, classes).

    Returns:
        (N,) int64: row i of the sorted array is image `order[i]` of the source.
    """
    by_class = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=classes)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    place = (np.arange(len(labels)) - starts).astype(np.uint64)
    keys = _mix(place + _mix(np.asarray([split_seed], np.uint64)))
    return by_class[np.lexsort((keys, labels[by_class]))].astype(np.int64)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea, Flood 2014): neighbouring integers become unrelated ones."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def unseen_classes(classes: int, share: float, *, split_seed: int) -> NDArray[np.bool_]:
    """(C,) which classes are kept for test alone: the same ones on every machine, at least one where share is above 0.

    Raises:
        DataError: fewer than two classes are left to train on.
    """
    count = max(1, round(share * classes)) if share else 0
    if count and classes - count < 2:
        raise DataError(
            f"--hold-out-classes {share:g} keeps {count} of {classes} classes for test alone, and training needs two. "
            "Hold out fewer."
        )
    # another draw than the order of images in their classes, which hashes the seed alone
    keys = _mix(np.arange(classes, dtype=np.uint64) + _mix(_mix(np.asarray([split_seed], np.uint64))))
    unseen = np.zeros(classes, bool)
    unseen[np.argsort(keys, kind="stable")[:count]] = True
    return unseen


def cut_classes(
    counts: NDArray[np.integer],
    *,
    validation_fraction: float | None,
    test_fraction: float | None,
    class_names: tuple[str, ...],
) -> Cut:
    """Cuts each class into parts of at least one image each.

    Args:
        counts: (C,) images of each class.
        validation_fraction: share of what is left after test, or None when validation images lie elsewhere.
        test_fraction: share held out for test, or None when there is a test split of its own.

    Raises:
        DataError: a class has fewer images than there are parts.
    """
    parts = ["training"] + ["validation"] * (validation_fraction is not None) + ["test"] * (test_fraction is not None)
    needed = len(parts)
    small = np.flatnonzero(counts < needed)
    if len(small):
        named = ", ".join(f"{class_names[c]!r} ({counts[c]})" for c in small[:3])
        raise DataError(
            f"{len(small)} of {len(counts)} classes have fewer than {needed} images: {named}. "
            f"Each needs one for {' and '.join(parts)}: add images, or leave such classes out: --min-images {needed}."
        )
    total = counts.astype(np.int64)
    test = np.zeros_like(total)
    if test_fraction is not None:
        test = np.clip(np.rint(total * test_fraction).astype(np.int64), 1, total - needed + 1)
    rest = total - test
    validation = np.zeros_like(total)
    if validation_fraction is not None:
        validation = np.clip(np.rint(rest * validation_fraction).astype(np.int64), 1, rest - 1)
    return Cut(train=rest - validation, validation=validation, test=test)
