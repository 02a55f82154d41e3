"""Which classes are taken for which.

Shape letters: n images, c classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.geometry import Labels


@dataclass(frozen=True, eq=False)
class Classification:
    """What a classifier did, class by class; every share is in [0, 1].

    Of a class without images nothing can be said: its shares are NaN. A class that no image is taken for has the
    precision 0.
    """

    confusion: NDArray[np.int64]
    """(c, c) images of the class of the row that were taken for the class of the column."""
    precision: NDArray[np.float64]
    """(c,) of the images taken for a class, the share that is of it."""
    recall: NDArray[np.float64]
    """(c,) of the images of a class, the share that was found: its accuracy."""
    f1: NDArray[np.float64]
    """(c,) harmonic mean of the two."""

    @property
    def images(self) -> NDArray[np.int64]:
        """(c,) images of each class."""
        return np.asarray(self.confusion.sum(axis=1))

    def worst_confusions(self, at_most: int) -> list[tuple[int, int, int]]:
        """(class, taken for, images), the most images first, then in the order of the classes; never none."""
        wrong = self.confusion - np.diag(np.diag(self.confusion))
        order = np.argsort(-wrong, axis=None, kind="stable")[:at_most]
        pairs = [(int(place) // len(wrong), int(place) % len(wrong)) for place in order]
        return [(row, column, int(wrong[row, column])) for row, column in pairs if wrong[row, column]]


def classification(labels: Labels, predicted: Labels, *, classes: int) -> Classification:
    """Counts by scikit-learn.

    Args:
        labels: (n,) true classes in [0, classes).
        predicted: (n,) chosen ones.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    every = np.arange(classes)
    precision, recall, f1, images = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    return Classification(
        np.asarray(confusion_matrix(labels, predicted, labels=every), np.int64),
        *(np.where(images > 0, share, np.nan) for share in (precision, recall, f1)),
    )
