"""Which labels of the training part may be seen."""

from __future__ import annotations

import dataclasses

import numpy as np

from simo2_core.config import FinetuneConfig
from simo2_core.data.dataset import DataPart, Dataset


def with_labels(dataset: Dataset, config: FinetuneConfig, seed: int) -> Dataset:
    """The data set with only those training images whose labels may be seen, at least one of each class.

    They are the bank of kNN as well. Normalisation keeps the statistics of all training images, which need no label.
    """
    part = dataset.train
    counts = part.counts
    if config.label_fraction < 1:
        counts = np.maximum(1, np.round(counts * config.label_fraction)).astype(np.int64)
    elif config.labels_per_class:
        counts = np.minimum(counts, config.labels_per_class)
    if (counts == part.counts).all():
        return dataset
    # rows of a class lie in an order that chance decided, so any window of them is a fair sample
    starts = np.random.default_rng((seed, 0x1ABE1)).integers(0, part.counts - counts + 1)
    return dataclasses.replace(dataset, train=DataPart(part.images, part.offsets + starts, counts))
