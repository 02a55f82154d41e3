import json

import pytest

from simo2_core.presets import PRESETS
from simo2_tui.screens.readiness import find_out


def told(preset, **changes):
    return find_out(PRESETS[preset], PRESETS[preset].config.replace(changes))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_judged(name, tmp_path):
    rows = told(name, data_dir=str(tmp_path))
    assert rows[0][0] == ("ready" if name == "digits" else "needs")
    assert PRESETS[name].title in rows[0][1]


def test_what_is_prepared_is_ready(tmp_path):
    home = tmp_path / "cifar10" / "3.0.2"
    home.mkdir(parents=True)
    splits = [{"name": "train", "shardLengths": ["10"], "numBytes": "1"}]
    info = {"name": "cifar10", "version": "3.0.2", "fileFormat": "array_record", "splits": splits}
    (home / "dataset_info.json").write_text(json.dumps(info))
    assert told("cifar10", data_dir=str(tmp_path))[0][0] == "ready"


def test_a_folder_of_images_is_ready_and_promises_no_classes(tmp_path):
    rows = told("digits", dataset=str(tmp_path))
    assert rows[0] == ("ready", f"images in {tmp_path}")
    assert not any("classes of" in text for _, text in rows)


def test_a_name_that_cannot_be_is_an_error():
    assert told("digits", dataset="/no/such/folder")[0][0] == "error"


def test_fewer_dimensions_than_classes_brings_the_welch_floor():
    assert any("Welch" in text for severity, text in told("digits", embedding_size=4) if severity == "warning")
