"""The order of classes, and that a run of before keeps its own."""

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from simo2_core.config import Config
from simo2_core.data.load import load_dataset
from simo2_core.data.sources.folder import FolderSource
from simo2_core.data.sources.folder_scan import natural
from tests.simo2_core.data.pictures import MakeFolder, config


def test_classes_that_are_numbers_are_ordered_as_numbers(make_folder: MakeFolder) -> None:
    names = ("0", "90", "180", "270", "class10", "class2", "Class2")
    root = make_folder(names, count=3)
    data = load_dataset(config(root))
    assert data.class_names == ("0", "90", "180", "270", "Class2", "class2", "class10")
    before = load_dataset(config(root, class_order="alphabetical"))
    assert before.class_names == tuple(sorted(names))
    assert before.fingerprint != data.fingerprint


def test_where_the_orders_agree_nothing_changes(make_folder: MakeFolder) -> None:
    root = make_folder(("a", "b"), count=3)
    one, other = (FolderSource(root, order=order) for order in ("natural", "alphabetical"))
    assert one.identity("train") == other.identity("train")
    assert one.files("train") == other.files("train")


def test_a_config_of_before_is_read_with_the_order_of_before() -> None:
    old = Config().to_json()
    del old["data"]["class_order"]
    assert Config.from_json(old).data.class_order == "alphabetical"
    assert Config.from_json(Config().to_json()).data.class_order == "natural"


@given(st.lists(st.text(alphabet="ab019٣é_", max_size=6), unique=True))
def test_any_names_have_one_order(names: list[str]) -> None:
    keys = [natural(name) for name in names]
    assert len(set(map(repr, keys))) == len(names)
    assert sorted(names, key=natural) == [name for _, name in sorted(zip(keys, names, strict=True))]


def test_the_files_are_known_wherever_and_whenever_they_were_copied(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(count=3)
    one = FolderSource(root)
    moved = tmp_path / "elsewhere"
    root.rename(moved)
    os.utime(moved / "cat" / "0.png", ns=(1, 1))
    other = FolderSource(moved)
    assert one.files("train") == other.files("train")
    assert one.identity("train") != other.identity("train")
