"""`simo2 data`, as a user and as a script see it."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from simo2_core.data import upkeep
from simo2_core.data.upkeep import list_entries
from simo2_core.errors import ConfigError, DataError, Simo2Error
from simo2_tui.cli.data import app
from tests.simo2_core.data.pictures import encoded, picture
from tests.simo2_core.data.sources.written import tar_of
from tests.simo2_core.data.tiny_tfds import as_tfrecord, prepare_tiny


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMO2_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "shelf"))
    monkeypatch.setenv("HOME", str(tmp_path))


def invoke(arguments: tuple[str, ...], code: int) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, Simo2Error):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def run(*arguments: str, code: int = 0) -> str:
    return str(invoke(arguments, code).output)


def rows(*arguments: str, code: int = 0) -> list[dict[str, Any]]:
    return [json.loads(line) for line in invoke((*arguments, "--json"), code).stdout.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image folder with one file that cannot be read."""
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(5):
            (tmp_path / "pets" / name / f"{index}.png").write_bytes(encoded(picture(index)))
    (tmp_path / "pets" / "dog" / "torn.png").write_bytes(b"")
    return tmp_path / "pets"


def test_list_shows_what_is_where(tmp_path: Path, folder: Path) -> None:
    made = prepare_tiny("mnist", tmp_path / "fresh", {"train": 3, "test": 1})
    as_tfrecord(made, tmp_path / "shelf", version="3.0.0")
    run("prepare", str(folder))
    listed = {row["name"]: row for row in rows("list")[:-1]}
    assert listed["mnist"]["versions"] == ["3.0.0 tfrecord"]
    assert listed["mnist"]["needs"] == ""
    assert listed["cifar10"]["needs"] == "download of 170 MB"
    assert listed[str(folder)]["decoded_bytes"] == 10 * 16 * 16 * 3
    text = run("list")
    for line in ("digits", "built in", "3.0.0 tfrecord", "by hand", "7.7 kB"):
        assert line in text


def test_info_of_a_data_set_that_is_not_here_names_its_files(tmp_path: Path) -> None:
    text = run("info", "mnist")
    assert "train-images-idx3-ubyte.gz  9.9 MB  https://" in text
    assert str(tmp_path / "shelf" / "downloads" / "manual" / "mnist") in text
    assert "train 60,000, test 10,000" in text
    assert "ILSVRC2012_img_val.tar  6.7 GB" in run("info", "imagenet2012")


def test_info_of_one_that_is_here_says_where_and_in_which_format(tmp_path: Path) -> None:
    made = prepare_tiny("mnist", tmp_path / "shelf", {"train": 3, "test": 1})
    run("prepare", "mnist")
    (facts,) = rows("info", "mnist")
    assert facts["splits"] == {"train": 30, "test": 10}
    assert facts["prepared"][0]["path"] == str(made)
    assert {entry["split"] for entry in facts["decoded"]} == {"train", "test"}
    assert facts["needed"] == []
    text = run("info", "mnist")
    assert "prepared: 3.0.1 as array_record" in text
    assert "decoded: train, 30 images of 28x28x1" in text


def test_info_of_a_folder_and_of_digits(folder: Path) -> None:
    text = run("info", str(folder))
    assert "2 classes: cat, dog" in text
    assert f"read: images, labels by the folder below {folder.name}" in text
    assert "smallest class of train 'cat' with 5 images" in text
    assert "read: images without labels" in run("info", str(folder / "cat"))
    assert "built in" in run("info", "digits")


def test_info_of_video_and_of_damage_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"robonet needs packages that are not installed .*video.*labelled images"):
        run("info", "robonet")
    made = prepare_tiny("mnist", tmp_path / "shelf", {"train": 1, "test": 1})
    features = json.loads((made / "features.json").read_text())
    text = json.dumps(features).replace("image_feature.Image", "video_feature.Video")
    for damaged in (text, "[" * 10, "{}"):
        (made / "features.json").write_text(damaged)
        with pytest.raises(DataError, match=r"holds no labelled images.*delete that folder.*simo2 data prepare mnist"):
            run("info", "mnist")
    assert "TensorFlow" not in capfd.readouterr().out


def test_the_feature_can_be_chosen_where_the_message_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 features .* image: image_main, image_aux1\. Choose one with --image-key"):
        run("info", "bair_robot_pushing_small")
    with pytest.raises(DataError, match="could be the label"):
        run("info", "bair_robot_pushing_small", "--image-key", "image_main")
    prepare_tiny("oxford_iiit_pet", tmp_path / "shelf", {"train": 1, "test": 1})
    assert rows("info", "oxford_iiit_pet", "--image-key", "segmentation_mask")[0]["image_shape"] == [None, None, 1]
    with pytest.raises(DataError, match=r"no label feature 'species2'.*Did you mean species"):
        run("prepare", "oxford_iiit_pet", "--label-key", "species2")


def test_info_of_nothing_suggests() -> None:
    with pytest.raises(DataError, match="Did you mean mnist"):
        run("info", "nmist")


def test_prepare_names_the_files_that_cannot_be_read(folder: Path) -> None:
    text = run("prepare", str(folder), "digits")
    assert "1 files cannot be read" in text
    assert "dog/torn.png: the file is empty" in text
    assert "digits: ready. 10 classes, 8x8x1, train 1,295, validation 143, test 359." in text
    first, second = rows("prepare", str(folder), "digits")
    assert first["skipped"] == [{"name": "dog/torn.png", "reason": "the file is empty"}]
    assert (second["train"], second["validation"], second["test"]) == (1295, 143, 359)
    assert rows("prepare", str(folder), "--image-size", "8")[0]["image"] == "8x8x3"


def test_verify_finds_damage_in_the_cache_and_in_shards(tmp_path: Path, folder: Path) -> None:
    made = prepare_tiny("mnist", tmp_path / "fresh", {"train": 3, "test": 1})
    copy = as_tfrecord(made, tmp_path / "shelf")
    run("prepare", str(folder))
    assert rows("verify")[-1] == {"checked": 2, "damaged": 0}
    (entry,) = list_entries()
    with (entry / "images.npy").open("r+b") as file:
        file.seek(300)
        file.write(b"x")
    (copy / "mnist-test.tfrecord-00000-of-00001").unlink()
    found = rows("verify", code=4)
    assert found[-1] == {"checked": 2, "damaged": 2}
    (problem,) = found[0]["problems"]
    assert problem.startswith("mnist-test.tfrecord-00000-of-00001 is missing. Copy it again, or delete ")
    assert problem.endswith(f"{copy} and run: simo2 data prepare mnist --data-dir {tmp_path / 'shelf'}")
    assert found[1]["problems"] == ["damaged: removed, and decoded again at the next use"]
    assert list_entries() == []
    assert rows("verify", "mnist", code=4)[-1] == {"checked": 1, "damaged": 1}
    run("prepare", str(folder))
    assert rows("verify", str(folder))[-1] == {"checked": 1, "damaged": 0}
    with pytest.raises(DataError, match=r"nothing of .mnits. is on disk\. Did you mean mnist"):
        run("verify", "mnits")


def test_verify_reads_the_source_again(folder: Path) -> None:
    run("prepare", str(folder))
    file = folder / "cat" / "0.png"
    stat, data = file.stat(), bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (found,) = rows("verify", str(folder), code=4)[:-1]
    assert found["problems"] == [
        "1 of 11 images were replaced by others since (cat/0.png): removed, and decoded again at the next use"
    ]
    assert list_entries() == []
    run("prepare", str(folder))
    file.unlink()
    (found,) = rows("verify", str(folder))[:-1]
    assert (found["problems"], found["note"]) == (
        [],
        "of another state of its source, which is decoded again at the next use",
    )
    shutil.rmtree(folder)
    assert "sound; its folder is gone" in run("verify")


def test_verify_says_what_it_cannot_remove(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("prepare", str(folder))
    (list_entries()[0] / "entry.json").write_text("[" * 100_000)
    monkeypatch.setattr(upkeep, "_remove", _refuse)
    assert rows("verify", code=4)[0]["problems"] == ["damaged: it cannot be removed, check its permissions"]
    run("list")
    with pytest.raises(DataError, match=r"Permission denied cannot be deleted: .* may belong to somebody else"):
        run("clear", "--yes")
    monkeypatch.undo()


def _refuse(path: Path) -> None:
    raise PermissionError(errno.EACCES, "Permission denied")


def test_prepare_without_room_says_so_and_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "disk_free", lambda path: 100)
    text = run("prepare", str(folder), "digits", code=4)
    assert "not kept. 8.4 kB of decoded images do not fit into" in text
    assert "digits: ready." in text
    kept = [row["kept"] for row in rows("prepare", "digits", str(folder), code=4)]
    assert kept == [True, False]


def test_prepare_refuses_what_is_no_name_before_the_first_download(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[object] = []
    monkeypatch.setattr("simo2_core.data.load.load_dataset", lambda config, **_: loaded.append(config))
    with pytest.raises(DataError, match="'no name!' is neither a folder nor a data set's name"):
        run("prepare", "digits", "no name!", code=4)
    assert loaded == []


def test_list_tells_what_the_cache_takes_and_what_nobody_needs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMO2_CACHE_SIZE", "1GB")
    run("prepare", str(folder))
    (entry,) = list_entries()
    shutil.copytree(entry, entry.with_name(f".{entry.name}.77"))
    shutil.rmtree(folder)
    text = run("list")
    assert "of at most 1.0 GB (SIMO2_CACHE_SIZE)" in text
    assert "1 not finished" in text
    assert "1 of folders that are gone" in text
    assert rows("list")[-1]["cache"]["unfinished"]["count"] == 1
    assert rows("clear", "--yes")[0]["deleted"] == 2


@pytest.mark.parametrize("size", ["100000", "-1", "9" * 30])
def test_a_size_that_no_image_has_is_refused(size: str, folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"image_size is .* to 8,192"):
        run("prepare", str(folder), "--image-size", size)


def test_clear_asks_and_deletes_by_name(folder: Path) -> None:
    run("prepare", str(folder))
    with pytest.raises(DataError, match="--yes"):
        run("clear")
    assert rows("clear", "cifar10", "--yes") == [{"deleted": 0, "found_out": 0, "bytes": 0, "kept": []}]
    (result,) = rows("clear", str(folder), "--yes")
    assert result["deleted"] == 1
    assert list_entries() == []


def test_clear_says_what_it_frees_of_shards_that_were_only_looked_at(tmp_path: Path) -> None:
    shard = tmp_path / "pets.tar"
    pngs = [(f"{number}.png", encoded(picture(number))) for number in range(2)]
    shard.write_bytes(tar_of([pngs[0], ("0.cls", b"0"), pngs[1], ("1.cls", b"1")]))
    run("info", str(shard))
    assert "1 indices, of shards and of images" in run("list")
    with pytest.raises(DataError, match="Delete 0 decoded splits and 1 index "):
        run("clear", str(shard))
    assert re.search(r"0 decoded splits and 1 index deleted, \d+ (bytes|kB) free again", run("clear", "--yes"))
    with pytest.raises(DataError, match="is on disk"):
        run("clear", str(shard), "--yes")


@pytest.mark.parametrize("module", ["simo2_core", "simo2_tui.cli.data"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    heavy = ("tensorflow_datasets", "tensorflow", "torch", "jax", "sklearn", "matplotlib", "PIL", "textual")
    script = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "[]\n"


def test_the_package_asks_for_neither_tensorflow_nor_torch() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    names = {line.split(">")[0].split("=")[0].split("[")[0] for line in project["dependencies"]}
    assert not names & {"tensorflow", "tensorflow-cpu", "tf-nightly", "torch", "torchvision"}
    assert "importlib_resources" in names


def test_prepare_and_info_say_what_is_not_used_and_prepare_takes_the_cure(tmp_path: Path, folder: Path) -> None:
    (folder / "cat" / "IMG_1.HEIC").write_bytes(b"x")
    drawing = Image.new("RGBA", (16, 16), (255, 255, 255, 0))
    drawing.putpixel((3, 4), (255, 255, 255, 255))
    (folder / "cat" / "drawing.png").write_bytes(encoded(drawing))
    for text in (run("info", str(folder)), run("prepare", str(folder))):
        assert "not used: 1 files (1 ending in .heic; such as cat/IMG_1.HEIC)." in text
    (made,) = rows("prepare", str(folder))
    assert [note["code"] for note in made["notes"]] == ["unused", "constant", "equal-images"][: len(made["notes"])]
    assert "--background black" in made["notes"][1]["cure"]
    (cured,) = rows("prepare", str(folder), "--background", "black")
    assert "constant" not in [note["code"] for note in cured["notes"]]


def test_prepare_takes_a_heap_and_what_it_is_to_be_trained_with(tmp_path: Path) -> None:
    (tmp_path / "heap").mkdir()
    for index in range(10):
        (tmp_path / "heap" / f"{index}.png").write_bytes(encoded(picture(index)))
    (made,) = rows("prepare", str(tmp_path / "heap"), "--labels", "none", "--test-fraction", "0.3")
    assert (made["classes"], made["test"]) == (1, 3)


def test_verify_knows_what_was_left_out_when_it_was_decoded(folder: Path) -> None:
    (folder / "emu").mkdir()
    (folder / "emu" / "0.png").write_bytes(encoded(picture(7)))
    (made,) = rows("prepare", str(folder), "--min-images", "3")
    assert made["classes"] == 2
    assert rows("verify", str(folder))[-1] == {"checked": 1, "damaged": 0}
    (folder / "cat" / "0.png").write_bytes(encoded(picture(8)))
    assert "another state of its source" in run("verify", str(folder))


def test_verify_reads_what_views_were_drawn_from(tmp_path: Path) -> None:
    for place in ("train/cat", "train/dog", "extra/owl"):
        (tmp_path / "set" / place).mkdir(parents=True)
        for index in range(5):
            (tmp_path / "set" / place / f"{index}.png").write_bytes(encoded(picture(index + len(place))))
    run("prepare", str(tmp_path / "set"), "--labels", "none", "--views-split", "extra")
    found = rows("verify", str(tmp_path / "set"))
    assert found[-1] == {"checked": 2, "damaged": 0}
    assert not any("cannot be read" in str(row) for row in found)
