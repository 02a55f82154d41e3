"""What each image of a data set is called: the path of its file, or its place in the source."""

from __future__ import annotations

import os

from simo2_core.config import DataConfig
from simo2_core.data.build import labelled_order
from simo2_core.data.cache import Entry
from simo2_core.data.dataset import Dataset
from simo2_core.data.load import entries_of, open_source, splits_of
from simo2_core.data.sources.digits import CLASS_NAMES, load_digits
from simo2_core.data.sources.folder import FileRecords, FolderSource, printable
from simo2_core.data.sources.source import Source, Split
from simo2_core.data.split import class_order


def image_ids(config: DataConfig, dataset: Dataset) -> dict[str, list[str]]:
    """By part, the id of each of its `rows`, unique in the data set.

    A file of an image folder is called by its path in the folder, as far as it can be printed; an image of a TFDS
    data set by its record file and position in it; a digit by its place in scikit-learn's.

    Args:
        dataset: what `load_dataset(config)` gave.

    Raises:
        DataError: the source is gone.
    """
    if config.dataset == "digits":
        order = class_order(load_digits()[1], len(CLASS_NAMES), split_seed=config.split_seed)
        names = {"train": [str(place) for place in order.tolist()]}
    else:
        source = open_source(config)
        entries = entries_of(source, config)
        names = {
            part: _names(source, source.split(split), config, entries[part])
            for part, split in splits_of(source, config).items()
        }
    return {
        name: [names.get(name, names["train"])[row] for row in part.rows.tolist()]
        for name, part in dataset.parts.items()
    }


def _names(source: Source, split: Split, config: DataConfig, entry: Entry) -> list[str]:
    """The id of each row of an entry."""
    given, left_out = split.records.names(), {item.name for item in entry.skipped}
    prefix = ""
    if isinstance(source, FolderSource) and isinstance(split.records, FileRecords):
        below = os.path.relpath(split.records.root, source.root)
        prefix = "" if below == "." else f"{printable(below)}/"
    order = labelled_order(split, config, source.name).tolist()
    return [prefix + given[row] for row in order if given[row] not in left_out]
