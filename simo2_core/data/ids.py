"""What each image of a data set is called: the path of its file, or its place in the source."""

from __future__ import annotations

from simo2_core.data.build import names_of_rows
from simo2_core.data.dataset import UNSEEN, Dataset
from simo2_core.data.load import entries_of, splits_of
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
    return {
        name: [names.get("test" if name == UNSEEN else name, names["train"])[row] for row in part.rows.tolist()]
        for name, part in dataset.parts.items()
    }
