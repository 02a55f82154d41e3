"""One set written in every format is the same set."""

from pathlib import Path

import numpy as np
import pytest

from simo2_core.data.fingerprint import same_images
from simo2_core.data.load import load_dataset
from simo2_core.data.sources.open import claimant
from simo2_core.data.upkeep import list_entries
from simo2_core.data.verify import verify_entry
from tests.simo2_core.data.pictures import config
from tests.simo2_core.data.sources import written

KINDS = {
    "npz": "arrays", "packed_npz": "arrays", "npy": "arrays", "csv": "table", "tsv": "table", "jsonl": "table",
    "parquet": "parquet", "saved": "parquet", "parquet_of_paths": "parquet",
    "shards": "webdataset", "shards_with_json": "webdataset",
}  # fmt: skip


@pytest.mark.parametrize("format", [name for name in written.FORMATS if name != "folder"])
def test_same_images_same_splits_same_bits(format: str, tmp_path: Path) -> None:
    folder = load_dataset(config(written.folder(tmp_path / "folder")))
    settings = config(written.FORMATS[format](tmp_path / "other"))
    assert claimant(settings).name == KINDS[format]
    other = load_dataset(settings)
    assert other.class_names == folder.class_names == written.CLASSES
    assert same_images(other.fingerprint, folder.fingerprint)
    assert list(other.parts) == list(folder.parts)
    for name, part in folder.parts.items():
        np.testing.assert_array_equal(other.parts[name].rows, part.rows)
        np.testing.assert_array_equal(other.parts[name].gather(), part.gather())
    np.testing.assert_array_equal(other.mean, folder.mean)
    found = [verify_entry(path, None) for path in list_entries()]
    assert [(item.problems, item.note) for item in found] == [((), ""), ((), "")]
