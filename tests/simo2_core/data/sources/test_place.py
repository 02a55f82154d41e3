"""What is a path, what lies there, and which split a name means."""

from pathlib import Path

import pytest

from simo2_core.data.progress import silent
from simo2_core.data.sources.open import claimant
from simo2_core.data.sources.place import Facts, files_below, has_pictures, is_gone, is_place, split_of
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError
from tests.simo2_core.data.sources import written


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("imagenet-val-000012", "validation"),
        ("train-00000-of-00002", "train"),
        ("Testing", "test"),
        ("pets", None),
        ("contest", None),
        ("t10k", None),
    ],
)
def test_a_word_of_a_name_means_a_split(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_patterns_and_files_are_places_and_names_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set.csv").touch()
    (tmp_path / "cats").touch()  # a file of that name is no data set
    (tmp_path / "a{b}").mkdir()
    taken = {
        name: is_place(name)
        for name in ("set.csv", "gone.csv", "s-{0..2}.tar", "s-*.tar", "a{b}", "hf:me/x", "mnist", "cats", ".\0x")
    }
    assert taken == {
        "set.csv": True, "gone.csv": False, "s-{0..2}.tar": True, "s-*.tar": True, "a{b}": True, "hf:me/x": False,
        "mnist": False, "cats": False, ".\0x": True,
    }  # fmt: skip
    for name in ("./\0x", "./\0x.csv", "./\0{a,b}.tar", "./\0*.tar", "./\0.npz", "./\0.parquet"):
        settings = DataConfig(dataset=name)
        with pytest.raises(DataError) as error:
            claimant(settings).open(settings, silent)
        assert str(error.value).isprintable()
    assert [is_gone(f"{tmp_path}/{name}") for name in ("set.csv", "gone.csv", "s-{0..2}.tar", "a{b}")] == [
        False,
        True,
        False,
        False,
    ]
    assert is_gone(f"{tmp_path}/gone/s-{{0..2}}.tar")


def test_a_folder_of_images_stays_one_whatever_else_lies_in_it(tmp_path: Path) -> None:
    root = written.folder(tmp_path / "set")
    for name in ("features.npy", "notes.parquet", "backup.tar"):
        (root / name).touch()
    assert has_pictures(root)
    assert claimant(DataConfig(dataset=str(root))).name == "folder"
    bare = tmp_path / "bare"
    for name, kind in {"a.npy": "arrays", "b.parquet": "parquet", "c.tar": "webdataset"}.items():
        folder = bare / kind
        folder.mkdir(parents=True)
        (folder / name).touch()
        assert claimant(DataConfig(dataset=str(folder))).name == kind
    assert files_below(bare, ".tar") == ["webdataset/c.tar"]


def test_facts_tell_what_has_changed_and_what_lies_elsewhere(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").write_text("1")
    one, other = Facts.of(tmp_path / "a", ["x"]), Facts.of(tmp_path / "b", ["x"])
    assert one.files == other.files
    assert one.identity != other.identity
    assert Facts.of(tmp_path / "a", ["x"]) == one
    assert Facts.of(tmp_path / "a", ["x"], "names").files != one.files
    assert Facts.of(tmp_path / "a", ["x", "gone"]).files != one.files
