import json

import pytest

from simo2_core.presets import PRESETS
from simo2_tui.screens import readiness
from simo2_tui.screens.readiness import find_out
from simo2_tui.session.estimate import read_pace
from tests.simo2_tui.recorded import write_run


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


def warnings(preset, **changes):
    return [text for severity, text in told(preset, **changes) if severity == "warning"]


def test_more_samples_than_a_class_has_is_minded():
    assert any("fewer training images" in text for text in warnings("oxford_flowers102", samples_per_class=16))
    assert not any("fewer training images" in text for text in warnings("digits"))


def test_a_preset_that_another_names_brings_its_classes():
    rows = told("digits", dataset="cifar100", image_size=0, channels=0)
    assert any("100 classes of 32×32×3" in text for _, text in rows)
    assert any("Welch" in text for severity, text in rows if severity == "warning")


def test_a_split_that_the_data_set_lacks_cannot_be():
    rows = told("mnist", train_split="extra")
    assert any("no split 'extra'" in text for severity, text in rows if severity == "error")


def test_a_folder_is_counted(tmp_path):
    for name, count in (("cat", 12), ("dog", 3)):
        (tmp_path / name).mkdir()
        for index in range(count):
            (tmp_path / name / f"{index}.png").write_bytes(b"")
    rows = told("digits", dataset=str(tmp_path))
    assert any("2 classes" in text for _, text in rows)
    assert any("the smallest 2" in text for severity, text in rows if severity == "warning")


def test_what_of_a_folder_is_not_used_is_minded(tmp_path):
    for place, count in (("train/Cat", 4), ("train/cat", 4), ("test", 3), ("extra/cat", 2)):
        (tmp_path / place).mkdir(parents=True)
        for index in range(count):
            (tmp_path / place / f"{index}.png").write_bytes(b"")
    minded = [text for severity, text in told("digits", dataset=str(tmp_path)) if severity == "warning"]
    assert any("not used: 2 images in extra/; 3 images without labels in test/." in text for text in minded)
    assert any("'Cat' and 'cat'" in text for text in minded)


def test_a_folder_that_cannot_be_trained_on_says_why(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.parquet").write_bytes(b"")
    rows = told("digits", dataset=str(tmp_path / "set"))
    assert any("train.parquet cannot be read" in text for severity, text in rows if severity == "error")


def test_no_gpu_is_minded_where_it_matters(monkeypatch):
    monkeypatch.setattr(readiness, "gpu", lambda: False)
    assert any("no GPU" in text for text in warnings("cifar10"))
    assert not any("no GPU" in text for text in warnings("digits"))
    monkeypatch.setattr(readiness, "gpu", lambda: True)
    assert not any("no GPU" in text for text in warnings("cifar10"))


def test_the_time_of_a_run_for_minutes_is_what_they_say_or_its_passes():
    times = [text for kind, text in told("cifar10", recipe="fast") + told("digits", minutes=5.0) if kind == "time"]
    assert times == [
        "20:00 at most or 60 passes over the images, whichever is first",
        "5:00, whatever the speed: steps are planned as it trains",
    ]


def test_the_time_comes_from_an_earlier_run_or_from_nowhere(tmp_path):
    pace = read_pace(write_run(tmp_path, "demo"))
    config = PRESETS["digits"].config
    _, (kind, text) = find_out(PRESETS["digits"], config, [pace])[:2]
    assert kind == "time"
    assert "about 0:4" in text
    assert "demo made 10 steps/s" in text
    _, (_, unknown) = find_out(PRESETS["digits"], config.replace({"widths": (8, 8)}), [pace])[:2]
    assert "t takes some steps" in unknown
