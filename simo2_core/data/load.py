"""The one door to data: from a `DataConfig` to a `Dataset` ready to train on."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from simo2_core.config import DataConfig
from simo2_core.data.dataset import Dataset, Part
from simo2_core.data.sources.digits import CLASS_NAMES, load_digits
from simo2_core.data.split import class_order, cut_classes
from simo2_core.data.statistics import channel_histogram, mean_and_std
from simo2_core.errors import DataError


def load_dataset(config: DataConfig) -> Dataset:
    """The data set that `config` names, cut into train, validation and test.

    Raises:
        DataError: it is missing, unreadable or unfit; the message names the cure.
    """
    if config.dataset == "digits":
        images, labels = load_digits()
        return _in_memory("digits", images, labels, CLASS_NAMES, config)
    raise DataError(f"there is no data set {config.dataset!r}.")


def _in_memory(
    name: str,
    images: NDArray[np.uint8],
    labels: NDArray[np.int32],
    class_names: tuple[str, ...],
    config: DataConfig,
) -> Dataset:
    order = class_order(labels, len(class_names), split_seed=config.split_seed)
    images = np.ascontiguousarray(images[order])
    counts = np.bincount(labels, minlength=len(class_names)).astype(np.int64)
    cut = cut_classes(
        counts,
        validation_fraction=config.validation_fraction,
        test_fraction=config.test_fraction,
        class_names=class_names,
    )
    starts = np.cumsum(counts) - counts
    train = Part(images, starts, cut.train)
    validation = Part(images, starts + cut.train, cut.validation)
    test = Part(images, starts + cut.train + cut.validation, cut.test)
    mean, std = mean_and_std(channel_histogram(train))
    digest = hashlib.sha256(images.tobytes())
    for array in (counts, cut.train, cut.validation, cut.test):
        digest.update(array.tobytes())
    return Dataset(name, class_names, train, validation, test, mean, std, digest.hexdigest())
