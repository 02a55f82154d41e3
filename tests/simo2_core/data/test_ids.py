"""An id leads back to the very image."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simo2_core.data.ids import image_files, image_ids
from simo2_core.data.load import load_dataset
from simo2_core.data.sources.digits import load_digits
from simo2_core.presets import PRESETS
from tests.simo2_core.data.pictures import MakeFolder, config, encoded, picture
from tests.simo2_core.data.tiny_tfds import prepare_tiny


@pytest.mark.parametrize("kept_apart", [False, True])
def test_of_a_folder_by_path_also_where_files_were_left_out(make_folder: MakeFolder, kept_apart: bool) -> None:
    root = make_folder(count=9, root="set/train" if kept_apart else "set")
    (root / "cat" / "deep").mkdir()
    (root / "cat" / "deep" / "0.png").write_bytes(encoded(picture(77)))
    (root / "cat" / "3.png").write_bytes(b"no image")
    if kept_apart:
        make_folder(count=4, root="set/test")
        root = root.parent
    settings = config(root)
    data = load_dataset(settings)
    ids = image_ids(settings, data)
    every = [id for part in ids.values() for id in part]
    assert len(set(every)) == len(every) == 18 + 8 * kept_apart
    files = image_files(settings, data)
    assert files == {name: [str(root / id) for id in part] for name, part in ids.items()}
    for name, part in data.parts.items():
        for id, image, label in zip(ids[name], part.gather(), part.labels, strict=True):
            np.testing.assert_array_equal(np.asarray(Image.open(root / id)), image)
            assert data.class_names[label] in Path(id).parts


def test_of_digits_by_place() -> None:
    images, labels = load_digits()
    data = load_dataset(PRESETS["digits"].config.data)
    ids = image_ids(PRESETS["digits"].config.data, data)
    assert image_files(PRESETS["digits"].config.data, data) is None
    for name, part in data.parts.items():
        places = [int(id) for id in ids[name]]
        np.testing.assert_array_equal(images[places], part.gather())
        np.testing.assert_array_equal(labels[places], part.labels)


def test_of_tfds_by_file_and_record(tmp_path: Path) -> None:
    settings = PRESETS["stl10"].config.replace({"data_dir": str(tmp_path / "shelf")}).data
    prepare_tiny("stl10", tmp_path / "shelf", {"train": 2, "test": 1})
    data = load_dataset(settings, workers=0)
    ids = image_ids(settings, data)
    assert sorted(ids["test"]) == sorted(f"stl10-test.array_record-00000-of-00001 record {i}" for i in range(10))
    assert len(set(ids["train"] + ids["validation"])) == 20
