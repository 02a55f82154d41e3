"""Parquet and Arrow files as Hugging Face writes them, and what is refused of them."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from simo2_core.data.load import load_dataset
from simo2_core.data.progress import silent
from simo2_core.data.sources import parquet_files
from simo2_core.data.sources.hub import hub_folder, snapshot
from simo2_core.data.sources.open import claimant, open_on_disk, open_source
from simo2_core.data.sources.parquet_files import ParquetRecords, open_file
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError
from tests.simo2_core.data.pictures import config, encoded, picture
from tests.simo2_core.data.sources import written


def write(path: Path, features: dict[str, Any] | None = None, **columns: Any) -> Path:
    """A Parquet file; images are pictures where none are given."""
    count = len(next(iter(columns.values())))
    columns = {"image": [encoded(picture(n, (8, 8))) for n in range(count)], **columns}
    table = pa.table({name: value for name, value in columns.items() if value is not None})
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path)
    return path


def test_splits_by_the_names_of_files_and_folders(tmp_path: Path) -> None:
    for layout in (
        {"data/train-00000-of-00001-a09b74b3ef9c3b56.parquet": 30, "data/test-00000-of-00001.parquet": 6},
        {"train/0000.parquet": 30, "test/0000.parquet": 6},
        {"default/train/0000.parquet": 20, "default/train/0001.parquet": 10, "default/test/0000.parquet": 6},
        {"train.parquet": 30, "test.parquet": 6},
    ):
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, count in layout.items():
            write(root / name, label=[n % 2 for n in range(count)])
        source = open_source(config(root))
        assert {split: len(source.split(split).records) for split in source.splits} == {"train": 30, "test": 6}
    write(tmp_path / "one" / "whatever.parquet", label=[0, 1])
    assert open_source(config(tmp_path / "one")).splits == ("train",)
    write(tmp_path / "two" / "a" / "train.parquet", label=[0, 1])
    write(tmp_path / "two" / "b" / "train.parquet", label=[0, 1])
    with pytest.raises(DataError, match=r"several sets of Parquet files: .*two/a, .*two/b"):
        open_source(config(tmp_path / "two"))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    for number in (0, 2):
        write(tmp_path / f"train-{number:05}-of-00003.parquet", label=[0, 1])
    with pytest.raises(DataError, match=r"lacks 1 of the shards of train, such as number 1. Fetch them too"):
        open_source(config(tmp_path))


def test_which_column_is_what(tmp_path: Path) -> None:
    two = {name: {"_type": "ClassLabel", "names": ["a", "b", "c"]} for name in ("fine", "coarse")}
    path = write(tmp_path / "a.parquet", {"image": {"_type": "Image"}, **two}, fine=[0, 1, -1], coarse=[1, 1, 0])
    with pytest.raises(DataError, match=r"has several labels: fine, coarse. Choose one with --label-key"):
        open_source(config(path))
    chosen = open_source(config(path, label_key="coarse"))
    assert (chosen.split("train").class_names, chosen.empty_classes) == (("a", "b"), ("c",))
    assert chosen.taken == "images in 'image', labels in 'coarse' with the names of 3 classes"
    with pytest.raises(DataError, match="1 of 3 images have no label in 'train'"):
        open_source(config(path, label_key="fine")).split("train")
    path = write(tmp_path / "b.parquet", left=[encoded(picture())] * 2, image=None, right=[encoded(picture())] * 2)
    with pytest.raises(DataError, match=r"several columns of images: left, right. Choose one with --image-key"):
        open_source(config(path))
    assert open_source(config(path, image_key="right", labels="none")).taken == "images in 'right', no labels"


def test_bytes_that_are_missing_are_looked_for_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "x.png").write_bytes(b"x")
    cells = [{"bytes": None, "path": path} for path in ("p/x.png", "../etc/passwd", "/etc/passwd", "gone.png", None)]
    write(tmp_path / "a.parquet", image=[*cells, {"bytes": b"b", "path": None}, None], label=[0] * 7)
    records = ParquetRecords((str(tmp_path / "a.parquet"),), np.array([[0, row] for row in range(7)]), "image")
    assert [str(item) if isinstance(item, OSError) else item for item in records.images()] == [
        b"x",
        *["[Errno 13] there are no bytes, and its path leads out of the folder"] * 2,
        "[Errno 2] No such file or directory",
        "[Errno 61] there are no bytes",
        b"b",
        "[Errno 61] there are no bytes",
    ]
    assert records.take(np.array([3])).names() == ["a.parquet row 3"]


UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "floats": ({"label": [0.5, 1.0]}, "2 of 2 labels are neither names nor whole numbers from 0"),
    "nan": ({"label": [float("nan"), 1.0]}, "labels are neither names nor whole numbers"),
    "negative": ({"label": [-1, 1]}, "1 of 2 labels are below 0"),
    "several": ({"label": [[0, 1], [1]]}, r"1 of 2 images have several labels \(such as \[0, 1\]\)"),
    "none": ({"label": [None, 1]}, "1 of 2 images have no label"),
    "beyond its names": (
        {"label": [0, 5], "features": written.HF_FEATURES},
        "1 of 2 labels have no name",
    ),
    "no rows": ({"label": []}, "holds no image"),
    "no images": ({"label": [0, 1], "image": None}, "has the columns label; none is called path"),
    "damaged metadata": ({"label": [0, 1], "features": [1]}, "the metadata of .* is damaged"),
}


@pytest.mark.parametrize("what", UNFIT)
def test_unfit_columns_are_one_line(tmp_path: Path, what: str) -> None:
    given, message = UNFIT[what]
    path = write(tmp_path / "a.parquet", **given)
    with pytest.raises(DataError, match=message) as error:
        open_source(config(path)).split("train")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("format", ["parquet", "saved"])
def test_whatever_is_cut_off_or_flipped_is_one_line(tmp_path: Path, format: str) -> None:
    root = written.FORMATS[format](tmp_path / "set")
    path = sorted(root.rglob("*.parquet" if format == "parquet" else "*.arrow"))[1]
    whole = path.read_bytes()
    rng = np.random.default_rng(0)

    def read() -> int:
        file = open_file(str(path))
        return len([file.values("label"), *file.cells("image", range(file.rows))])

    for content in [b"", *(whole[:length] for length in range(0, len(whole), 97)), b"PAR1" + bytes(40) + b"PAR1"]:
        path.write_bytes(content)
        with pytest.raises(DataError) as error:
            read()
        assert "\n" not in str(error.value)
    for _ in range(60):
        flipped = bytearray(whole)
        flipped[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            read()
        except DataError as error:
            message = str(error)
        else:
            message = ""
        assert "\n" not in message
    path.write_bytes(whole)
    assert len(load_dataset(config(root)).class_names) == 3, "nothing is kept of what was damaged"


def test_groups_of_rows_that_no_memory_holds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", label=[0, 1] * 50)
    open_source(config(path))
    monkeypatch.setattr(parquet_files, "host_memory_free", lambda: 20_000)
    with pytest.raises(DataError, match=r"groups of .* 20.0 kB of memory are free\..*row_group_size=1000") as error:
        open_source(config(path))
    assert "\n" not in str(error.value)


def test_a_saved_folder_that_names_files_elsewhere_is_refused(tmp_path: Path) -> None:
    root = written.saved(tmp_path / "set")
    assert open_source(config(root / "train")).split("train").class_names == written.CLASSES
    (root / "train" / "state.json").write_text('{"_data_files": [{"filename": "../../x.arrow"}]}')
    with pytest.raises(DataError, match="names no files of its own folder"):
        open_source(config(root))
    (root / "dataset_dict.json").write_text('{"splits": ["../x"]}')
    with pytest.raises(DataError, match="names no splits"):
        open_source(config(root))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the client of the Hub keeps what it has fetched in."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    return tmp_path / "hub"


def fetched(hub: Path, branch: str = "main") -> Path:
    """What its client leaves behind."""
    home = hub / "datasets--me--pets"
    ref = home / "refs" / branch
    ref.parent.mkdir(parents=True)
    ref.write_text("abc123")
    return written.parquet(home / "snapshots" / "abc123")


def test_what_was_fetched_needs_neither_client_nor_network(hub: Path) -> None:
    settings = DataConfig(dataset="hf:me/pets")
    assert claimant(settings).name == "parquet"
    assert open_on_disk(settings) is None
    fetched(hub)
    source = open_source(settings)
    assert (source.name, source.split("train").class_names) == ("hf:me/pets", written.CLASSES)
    assert snapshot("hf:me/pets/other") is None
    for name in ("hf:", "hf:../x", "hf:a/b/c/d", "hf:a b"):
        with pytest.raises(DataError, match="is no name on the Hub"):
            snapshot(name)


def test_without_client_or_network_the_files_are_named(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = "what else https://huggingface.co/api/datasets/me/pets/parquet lists"
    files = f"SET/train/0000.parquet, SET/test/0000.parquet and {listed} for each SET, elsewhere, from "
    files += "https://huggingface.co/datasets/me/pets/resolve/refs%2Fconvert%2Fparquet/, keep their folders"
    with pytest.raises(DataError, match=rf"huggingface_hub is not installed. .*simo2\[hf\].*etch {files}") as error:
        hub_folder("hf:me/pets", silent)
    assert "\n" not in str(error.value)
    client, errors = ModuleType("huggingface_hub"), ModuleType("huggingface_hub.errors")
    away = type("LocalEntryNotFoundError", (Exception,), {})
    asked = []

    def download(repo: str, *, repo_type: str, revision: str, allow_patterns: str) -> str:
        asked.append((repo, revision, allow_patterns))
        if revision == "main":
            hub.mkdir(exist_ok=True)
            return str(hub)
        return str(fetched(hub, revision))

    def refuse(*_: object, **__: object) -> str:
        raise ConnectionError("no\nnetwork")

    monkeypatch.setattr(client, "snapshot_download", download, raising=False)
    monkeypatch.setattr(errors, "LocalEntryNotFoundError", away, raising=False)
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", errors)
    assert hub_folder("hf:me/pets", silent) == hub / "datasets--me--pets" / "snapshots" / "abc123"
    assert asked == [("me/pets", "main", "*.parquet"), ("me/pets", "refs/convert/parquet", "*.parquet")]
    assert hub_folder("hf:me/pets", silent).is_dir()
    assert len(asked) == 2, "what is here is not asked for again"
    monkeypatch.setattr(client, "snapshot_download", refuse)
    with pytest.raises(DataError, match=rf"cannot be fetched \(no network\)\. Fetch {files.replace('pets', 'cars')}"):
        hub_folder("hf:me/cars", silent)
    monkeypatch.setattr(client, "snapshot_download", Mock(side_effect=away))
    with pytest.raises(DataError, match=r"not on this machine, and the Hub cannot be reached\. Fetch SET/train"):
        hub_folder("hf:me/cars", silent)
    with pytest.raises(DataError, match=r"Fetch fast/train/0000\.parquet, fast/test/0000\.parquet .* lists, elsewhere"):
        hub_folder("hf:me/cars/fast", silent)
