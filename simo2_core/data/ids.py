"""What each image of a data set is called: the path of its file, or its place in the source."""

from __future__ import annotations

from collections.abc import Mapping

from simo2_core.data.build import names_of_rows, records_of_rows
from simo2_core.data.dataset import UNSEEN, Dataset
from simo2_core.data.load import entries_of, splits_of
from simo2_core.data.sources.folder import FileRecords
from simo2_core.data.sources.open import open_source
from simo2_core.data_config import DataConfig


def image_ids(config: DataConfig, dataset: Dataset) -> dict[str, list[str]]:
    """By part, the id of each of its `rows`, unique in the data set.

    A file of an image folder is called by its path in the folder, as far as it can be printed; an image of a TFDS
    data set by its record file and position in it; a digit by its place in scikit-learn's.

    Args:
        dataset: what `load_dataset(config)` gave.

    Raises:
        DataError: the source is gone.
    """
    source = open_source(config)
    entries = entries_of(source, config)
    names = {
        part: names_of_rows(source.split(split), config, source.name, entries[part])
        for part, split in splits_of(source, config).items()
    }
    return _by_part(names, dataset)


def image_files(config: DataConfig, dataset: Dataset) -> dict[str, list[str]] | None:
    """By part, the absolute path of the file of each of its `rows`; None where images are no files of their own.

    Args:
        dataset: what `load_dataset(config)` gave.

    Raises:
        DataError: the source is gone.
    """
    source = open_source(config)
    entries = entries_of(source, config)
    paths = {}
    for part, name in splits_of(source, config).items():
        split = source.split(name)
        if not isinstance(split.records, FileRecords):
            return None
        root, given = split.records.root, split.records.paths
        paths[part] = [f"{root}/{given[row]}" for row in records_of_rows(split, config, source.name, entries[part])]
    return _by_part(paths, dataset)


def _by_part(given: Mapping[str, list[str]], dataset: Dataset) -> dict[str, list[str]]:
    """What is `given` for each row of each split that was decoded, for the rows of each part."""
    return {
        name: [given.get("test" if name == UNSEEN else name, given["train"])[row] for row in part.rows.tolist()]
        for name, part in dataset.parts.items()
    }
