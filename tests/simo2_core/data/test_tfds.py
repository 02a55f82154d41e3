"""Every preset, read from real files of its TFDS builder, in each format, without TensorFlow."""

import dataclasses
import io
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from simo2_core.data.dataset import DataPart, Dataset
from simo2_core.data.load import load_dataset
from simo2_core.data.sources.anew import prepare_anew
from simo2_core.data.sources.class_names import readable_names
from simo2_core.data.sources.open import open_source
from simo2_core.data.sources.prepared import TfdsName, data_dirs, find, find_all
from simo2_core.data.sources.shards import Shard, ShardRecords, image_of, label_of, open_shard, read_shard
from simo2_core.data.sources.tfrecord import crc32c, masked
from simo2_core.data.verify import verify_prepared
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError
from simo2_core.presets import PRESETS
from tests.simo2_core.data.tiny_tfds import as_tfrecord, colour_of, framed, prepare_tiny

NAMES = [name for name in PRESETS if name != "digits"]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A data directory for each format with a tiny copy of every preset: one image a class for each part."""
    shelves = {form: tmp_path_factory.mktemp(form) for form in ("array_record", "tfrecord")}
    for name in NAMES:
        preset = PRESETS[name]
        sizes = {split: (2 if preset.test_images else 3) if split == "train" else 1 for split in preset.splits}
        folder = prepare_tiny(preset.config.data.dataset, shelves["array_record"], sizes)
        as_tfrecord(folder, shelves["tfrecord"])
    return shelves


def small(config: DataConfig, data_dir: Path, **changes: Any) -> DataConfig:
    return dataclasses.replace(config, data_dir=str(data_dir), **changes)


def assert_colours(part: DataPart, channels: int) -> None:
    seen = part.gather().reshape(len(part), -1, channels).mean(axis=1)
    expected = np.array([colour_of(label, channels) for label in part.labels.tolist()])
    assert np.abs(seen - expected).max() <= 4


@pytest.mark.parametrize("form", ["array_record", "tfrecord"])
@pytest.mark.parametrize("name", NAMES)
def test_every_preset_reads_its_own_data_set(name: str, form: str, shelf: dict[str, Path]) -> None:
    preset = PRESETS[name]
    data = load_dataset(small(preset.config.data, shelf[form]), workers=0)
    assert data.image_shape == preset.image_shape
    assert len(data.class_names) == preset.classes
    assert not data.skipped
    for part in (data.train, data.validation, data.test):
        assert part.counts.tolist() == [1] * preset.classes
        assert_colours(part, preset.image_shape[2])
    assert not any(module.split(".")[0] == "tensorflow" for module in sys.modules)


def test_class_names_are_words(shelf: dict[str, Path]) -> None:
    for name in ("cifar10", "stl10", "imagenette", "imagenet2012", "emnist", "food101", "cars196"):
        preset = PRESETS[name]
        source = open_source(small(preset.config.data, shelf["array_record"]))
        names = source.split("train").class_names
        assert len(set(names)) == preset.classes
        assert not any((word.isdigit() and len(word) > 1) or word.startswith("n0") for word in names), names[:5]


def test_wordnet_ids_and_numbers_become_words_only_where_they_are_such() -> None:
    assert readable_names("x", ("n01440764", "n02085620-Chihuahua", "n02099601_golden_retriever", "nothing")) == (
        "tench", "Chihuahua", "golden retriever", "nothing")  # fmt: skip
    assert readable_names("cifar10", tuple("0123456789"))[3] == "cat"
    assert readable_names("cifar10", ("only", "two")) == ("only", "two")


def test_both_formats_give_the_same_bytes(shelf: dict[str, Path]) -> None:
    one, other = (load_dataset(small(PRESETS["dtd"].config.data, shelf[form])) for form in shelf)
    assert one.fingerprint == other.fingerprint


def test_parquet_is_read_as_well(tmp_path: Path, shelf: dict[str, Path]) -> None:
    prepare_tiny("cifar10", tmp_path / "shelf", {"train": 2, "test": 1}, file_format="parquet")
    parquet = load_dataset(small(PRESETS["cifar10"].config.data, tmp_path / "shelf"))
    assert find_all(str(tmp_path / "shelf"))[0].format == "parquet"
    assert parquet.fingerprint == load_dataset(small(PRESETS["cifar10"].config.data, shelf["tfrecord"])).fingerprint


def test_emnist_is_stored_lying_and_read_upright(tmp_path: Path) -> None:
    def corner(label: int, shape: tuple[int, int, int], format: str) -> bytes:
        pixels = np.zeros(shape[:2], np.uint8)
        pixels[0, 20:] = 200  # a bar in the first row, so in the first column of the upright letter
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format)
        return buffer.getvalue()

    prepare_tiny("emnist/balanced", tmp_path, {"train": 2, "test": 1}, image=corner)
    data = load_dataset(small(PRESETS["emnist"].config.data, tmp_path))
    image = data.train.images[0, ..., 0]
    assert image[20:, 0].tolist() == [200] * 8
    assert image.sum() == 1600


def test_the_segmentation_mask_is_not_taken_for_the_image(shelf: dict[str, Path]) -> None:
    config = small(PRESETS["oxford_iiit_pet"].config.data, shelf["array_record"])
    source = open_source(config)
    assert source.split("train").own_shape[2] == 3
    coarse = open_source(small(PRESETS["cifar100"].config.data, shelf["array_record"], label_key="coarse_label"))
    assert len(coarse.split("train").class_names) == 20
    with pytest.raises(DataError, match=r"no label feature 'lable'; it has: .*Did you mean label"):
        open_source(dataclasses.replace(config, label_key="lable")).split("train")


def test_split_expressions_are_understood(shelf: dict[str, Path]) -> None:
    config = small(PRESETS["cifar10"].config.data, shelf["tfrecord"])
    assert len(open_source(config).split("train[:50%]").records) == 10
    flowers = open_source(small(PRESETS["oxford_flowers102"].config.data, shelf["array_record"]))
    both = flowers.split("train+validation")
    assert len(both.records) == len(both.labels) == 306
    assert np.bincount(both.labels).tolist() == [3] * 102


@pytest.mark.parametrize("split", ["trian", "train[:500%", "nothing"])
def test_a_wrong_split_lists_the_right_ones(split: str, shelf: dict[str, Path]) -> None:
    with pytest.raises(DataError, match="it has train, test"):
        load_dataset(small(PRESETS["cifar10"].config.data, shelf["array_record"], train_split=split))


def test_images_without_labels_are_refused(tmp_path: Path) -> None:
    prepare_tiny("stl10", tmp_path, {"train": 2, "test": 1, "unlabelled": 5}, unlabelled="unlabelled")
    with pytest.raises(DataError, match=r"50 of 50 images .* have no label"):
        load_dataset(small(PRESETS["stl10"].config.data, tmp_path, train_split="unlabelled"))


def test_images_without_labels_serve_views_beside_a_labelled_split(tmp_path: Path) -> None:
    prepare_tiny("stl10", tmp_path, {"train": 2, "test": 1, "unlabelled": 5}, unlabelled="unlabelled")
    config = small(PRESETS["stl10"].config.data, tmp_path, labels="none", views_split="unlabelled")
    dataset = load_dataset(config)
    assert dataset.views is not None
    assert len(dataset.views) == 50
    assert len(dataset.views.singletons().counts) == 50
    assert len(dataset.class_names) == 10
    assert len(dataset.train) + len(dataset.validation) == 20
    assert load_dataset(small(PRESETS["stl10"].config.data, tmp_path)).fingerprint != dataset.fingerprint


def test_older_versions_other_folders_and_no_config_are_found(
    tmp_path: Path, shelf: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = shelf["array_record"]
    old = as_tfrecord(fresh / "cifar10" / "3.0.2", tmp_path / "old", version="2.9.10")
    older = as_tfrecord(fresh / "cifar10" / "3.0.2", tmp_path / "old", version="2.9.9")
    found = find(TfdsName.parse("cifar10"), str(tmp_path / "old"))
    assert [item.path for item in found] == [old, older]
    assert [item.version for item in find(TfdsName.parse("cifar10:2.9.9"), str(tmp_path / "old"))] == ["2.9.9"]
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "old"))
    assert data_dirs(None)[0] == tmp_path / "old"
    data = load_dataset(dataclasses.replace(PRESETS["cifar10"].config.data, data_dir=None))
    assert data.class_names[3] == "cat"
    assert [item.config for item in find(TfdsName.parse("emnist/balanced"), str(fresh))] == ["balanced"]
    assert find(TfdsName.parse("emnist"), str(fresh)) == []  # its default config is byclass: 62 other classes
    assert {item.full_name for item in find_all(str(fresh))} == {PRESETS[n].config.data.dataset for n in NAMES}


def test_riegeli_alone_is_refused(tmp_path: Path, shelf: dict[str, Path]) -> None:
    copy = as_tfrecord(shelf["array_record"] / "cifar10" / "3.0.2", tmp_path)
    info = copy / "dataset_info.json"
    info.write_text(info.read_text().replace("tfrecord", "riegeli"))
    (prepared,) = find(TfdsName.parse("cifar10"), str(tmp_path))
    assert not prepared.readable


def rewrite(shard: Path, change: Callable[[bytearray], object]) -> str:
    """Changes the bytes of a shard; returns its path."""
    data = bytearray(shard.read_bytes())
    change(data)
    shard.write_bytes(data)
    open_shard.cache_clear()
    return str(shard)


def delete_last_record(data: bytearray) -> None:
    records = tfrecord_positions(bytes(data))
    del data[records[-1] :]


def tfrecord_positions(data: bytes) -> list[int]:
    """Where each record begins, head included."""
    positions, at = [], 0
    while at < len(data):
        positions.append(at)
        at += 16 + int.from_bytes(data[at : at + 8], "little")
    return positions


DAMAGE: dict[str, tuple[Callable[[bytearray], object], str]] = {
    "torn in a record": (lambda data: data.__delitem__(slice(-7, None)), "ends in the middle of record 19"),
    "torn in a length": (lambda data: data.extend(b"\x18\0\0"), "ends in the middle of record 20"),
    "torn between records": (delete_last_record, "has 19 records and no record 19: its end is missing"),
    "an absurd length": (lambda data: data.__setitem__(6, 0x7F), "the length of record 0 does not match its checksum"),
    "a length off by one": (lambda data: data.__setitem__(0, data[0] ^ 1), "the length of record 0 does not match"),
    "text": (lambda data: data.__setitem__(slice(None), b"<html>404 not found</html>"), "the length of record 0"),
    "nothing": (lambda data: data.clear(), "has 0 records"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_tfrecord_file_is_named_with_its_record(
    damage: Callable[[bytearray], object], message: str, tmp_path: Path, shelf: dict[str, Path]
) -> None:
    copy = as_tfrecord(shelf["array_record"] / "mnist" / "3.0.1", tmp_path)
    (shard,) = copy.glob("*train*")
    path = rewrite(shard, damage)
    with pytest.raises(DataError, match=message) as caught:
        list(read_shard("tfrecord", path, range(20)))
    assert path in str(caught.value)
    (problem,) = verify_prepared(find(TfdsName.parse("mnist"), str(tmp_path))[0])
    assert problem.startswith(shard.name)
    assert message in problem


@pytest.mark.parametrize("form", ["array_record", "tfrecord"])
def test_a_flipped_bit_in_a_record_is_found_by_verify(form: str, tmp_path: Path, shelf: dict[str, Path]) -> None:
    copy = tmp_path / "mnist" / "3.0.1"
    shutil.copytree(shelf[form] / "mnist" / "3.0.1", copy)
    (prepared,) = find(TfdsName.parse("mnist"), str(tmp_path))
    assert verify_prepared(prepared) == []
    (shard,) = copy.glob("*train*")
    # the images of array_record lie in the middle of its first block of 64 kB
    at = shard.read_bytes().find(b"IDAT") + 4 if form == "tfrecord" else 300
    rewrite(shard, lambda data: data.__setitem__(at, data[at] ^ 4))
    (problem,) = verify_prepared(prepared)
    assert problem.startswith(f"{shard.name} is damaged")


def test_a_damaged_array_record_file_stops_a_load_with_its_name(tmp_path: Path, shelf: dict[str, Path]) -> None:
    copy = tmp_path / "mnist" / "3.0.1"
    shutil.copytree(shelf["array_record"] / "mnist" / "3.0.1", copy)
    (shard,) = copy.glob("*train*")
    rewrite(shard, lambda data: data.__setitem__(300, data[300] ^ 4))
    with pytest.raises(DataError, match=r"mnist-train\.array_record.* is damaged"):
        load_dataset(small(PRESETS["mnist"].config.data, tmp_path))


@pytest.mark.parametrize(
    ("data", "crc"),
    [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)],
)
def test_checksums_are_those_of_rfc_3720(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


def test_checksums_of_long_records_and_as_tensorflow_stores_them() -> None:
    register = 0xFFFFFFFF
    data = np.random.default_rng(0).bytes(1500)
    for byte in data:  # a bit at a time, as the polynomial says
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    assert crc32c(data) == register ^ 0xFFFFFFFF
    # the first twelve bytes of every event file of TensorBoard: the length 24 and its checksum
    assert masked(crc32c(bytes([24, 0, 0, 0, 0, 0, 0, 0]))).to_bytes(4, "little") == b'\xa3\x7fK"'


def test_a_record_that_is_none_is_named() -> None:
    with pytest.raises(DataError, match="no Example"):
        image_of(b"\xff\xff\xff\xff", "image")
    with pytest.raises(DataError, match="--label-key"):
        label_of(b"", "label")


def test_several_shards_are_one_row_of_records(tmp_path: Path, shelf: dict[str, Path]) -> None:

    paths = [str(path) for path in sorted((shelf["tfrecord"] / "cifar10" / "3.0.2").glob("*tfrecord*"))]
    records = ShardRecords("tfrecord", (Shard(paths[0], 2, 5), Shard(paths[1], 0, 20)), "image")
    every = list(records.images())
    assert len(every) == len(records) == 25
    rows = np.array([24, 4, 5, 0, 5])
    assert list(records.take(rows).images()) == [every[row] for row in rows]
    assert records.take(rows).names()[0].endswith("record 19")
    assert records.take(rows).take(np.array([1])).labels("label") == records.labels("label")[4]


def test_a_warm_start_needs_no_tfds(shelf: dict[str, Path]) -> None:
    """Opening a cached data set must not even import TFDS."""
    import subprocess

    config = small(PRESETS["cifar10"].config.data, shelf["array_record"])
    load_dataset(config)
    script = (
        "import sys, json; from simo2_core.config import *; from simo2_core.data.load import load_dataset\n"
        f"d = load_dataset(DataConfig(dataset='cifar10', data_dir={config.data_dir!r}, test_split='test', "
        "image_size=32, channels=3))\n"
        "print(len(d.train), [m for m in sys.modules if m.split('.')[0] in ('tensorflow_datasets', 'jax')])"
    )
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert run.stdout.split("\n")[0] == "10 []"


def test_any_data_set_with_one_image_and_one_label_resolves(tmp_path: Path) -> None:
    prepare_tiny("beans", tmp_path, {"train": 3, "test": 1})
    data: Dataset = load_dataset(DataConfig(dataset="beans", data_dir=str(tmp_path), image_size=16))
    assert data.class_names == ("angular_leaf_spot", "bean_rust", "healthy")
    assert data.test.counts.tolist() == [1, 1, 1]  # its own test split, found without being named
    assert_colours(data.test, 3)


def test_the_cure_of_a_damaged_set_names_its_folder_and_the_command() -> None:
    told = prepare_anew("/my shelf/eurosat/rgb/2.0.0/eurosat-train.array_record-00000-of-00001")
    assert "delete /my shelf/eurosat/rgb/2.0.0 and run: " in told
    assert told.endswith("simo2 data prepare eurosat/rgb --data-dir '/my shelf'")
    told = prepare_anew("/shelf/mnist/3.0.1/mnist-test.tfrecord-00000-of-00001")
    assert told.endswith("delete /shelf/mnist/3.0.1 and run: simo2 data prepare mnist --data-dir /shelf")


def test_a_record_that_is_none_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "shelf" / "mnist" / "3.0.1" / "mnist-train.tfrecord-00000-of-00001"
    path.parent.mkdir(parents=True)
    path.write_bytes(framed(b"no protocol buffer"))
    records = ShardRecords("tfrecord", (Shard(str(path), 0, 1),), "image")
    cure = r"train\.tfrecord.* is damaged: record 0 is no Example .* delete .*3\.0\.1 and run: simo2 data prepare mnist"
    with pytest.raises(DataError, match=cure):
        list(records.images())
    with pytest.raises(DataError, match=cure):
        records.labels("label")


@pytest.mark.parametrize(
    "damage",
    [
        "[" * 100_000,
        "[]",
        '{"splits": [{"name": "train", "shardLengths": [Infinity]}]}',
        '{"splits": [{"name": "train", "shardLengths": ["' + "9" * 30 + '"]}], "name": "mnist", "version": "3.0.1"}',
        '{"splits": [{"name": "train", "shardLengths": ["-4"]}], "name": "mnist", "version": "3.0.1"}',
    ],
)
def test_metadata_that_makes_no_sense_is_as_if_it_were_not_there(damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "mnist" / "3.0.1"
    folder.mkdir(parents=True)
    (tmp_path / "mnist" / ".config").mkdir()
    (tmp_path / "mnist" / ".config" / "metadata.json").write_text(damage)
    (folder / "dataset_info.json").write_text(damage)
    assert find_all(str(tmp_path)) == []
    assert find(TfdsName.parse("mnist"), str(tmp_path)) == []
