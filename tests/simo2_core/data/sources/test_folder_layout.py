"""Folders as people have them: what is taken for a split or a class, and what is said of the rest."""

import shutil
from pathlib import Path

import pytest

from simo2_core.data.cache import cache_root
from simo2_core.data.load import load_dataset
from simo2_core.data.sources.folder import FolderSource
from simo2_core.data.sources.folder_layout import lay_out
from simo2_core.data.upkeep import list_entries
from simo2_core.errors import DataError
from tests.simo2_core.data.pictures import MakeFolder, config, encoded, picture


def put(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        (folder / name).write_bytes(encoded(picture(len(folder.parts) + 100 * seed)))


def unused(source: FolderSource) -> str:
    """What is said not to be used, and what to do."""
    return " ".join(f"{note.message} {note.cure}" for note in source.notes if note.code == "unused")


def test_a_test_folder_without_labels_is_left_and_said(make_folder: MakeFolder) -> None:
    root = make_folder(count=10, root="set/train").parent
    put(root / "test", *(f"{i}.png" for i in range(7)))
    source = FolderSource(root)
    assert "7 images without labels in test/" in unused(source)
    data = load_dataset(config(root))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [14, 2, 4]
    with pytest.raises(DataError, match=r"7 of 7 images .*have no label.*hold-out"):
        load_dataset(config(root, test_split="test"))
    for _ in range(2):  # decoded, and from the cache
        data = load_dataset(config(root, labels="none", views_split="test"))
        assert data.views is not None
        assert len(data.views) == 7
        assert "unused" not in [note.code for note in data.notes]


def test_a_class_may_be_called_train(make_folder: MakeFolder) -> None:
    root = make_folder(("bus", "car", "train"), count=4)
    assert load_dataset(config(root)).class_names == ("bus", "car", "train")


def test_a_train_folder_with_classes_names_its_neighbours(make_folder: MakeFolder) -> None:
    root = make_folder(count=10, root="set/train").parent
    make_folder(("cat",), count=3, root="set/extra")
    put(root / "dev", "a.png", "b.png")
    put(root / "__MACOSX", "a.png")
    put(root / ".hidden", "a.png")
    (root / "docs").mkdir()
    said = unused(FolderSource(root))
    assert "2 images in dev/; 3 images in extra/." in said
    assert "--test-split dev" in said
    assert "--views-split dev" in said
    assert "MACOSX" not in said
    assert "docs" not in said


def test_a_neighbour_can_be_asked_for_by_name(make_folder: MakeFolder) -> None:
    root = make_folder(count=10, root="set/train").parent
    make_folder(count=3, root="set/eval")
    data = load_dataset(config(root, test_split="eval"))
    assert len(data.test) == 6
    assert "unused" not in [note.code for note in data.notes]
    with pytest.raises(DataError, match="no split 'evaluation'; it has train"):
        load_dataset(config(root, test_split="evaluation"))


def test_of_two_spellings_the_exact_one_counts_and_the_other_is_named(make_folder: MakeFolder) -> None:
    root = make_folder(count=5, root="set/train").parent
    make_folder(count=2, root="set/Train")
    make_folder(count=3, root="set/training")
    source = FolderSource(root)
    assert len(source.split("train").records) == 10
    assert "4 images in Train/; 6 images in training/." in unused(source)
    assert lay_out(root).splits["train"].name == "train"


def test_a_heap_is_one_class_and_says_so(tmp_path: Path) -> None:
    put(tmp_path / "heap", *(f"{i}.png" for i in range(20)))
    data = load_dataset(config(tmp_path / "heap", labels="none"))
    assert data.class_names == ("image",)
    assert len(data.train) + len(data.validation) + len(data.test) == 20
    (note,) = data.notes
    assert "no class with images (20 of them)" in note.message
    assert "--labels none" in note.cure
    shutil.rmtree(cache_root())
    with pytest.raises(DataError, match=r"no class with images \(20 of them\).*--labels none"):
        load_dataset(config(tmp_path / "heap"))
    assert not list_entries()


def test_a_heap_under_train_is_a_heap_too(tmp_path: Path) -> None:
    put(tmp_path / "set" / "train", *(f"{i}.png" for i in range(10)))
    put(tmp_path / "set" / "test", "a.png", "b.png", "c.png")
    data = load_dataset(config(tmp_path / "set", labels="none"))
    assert len(data.test) == 3


def test_one_folder_too_high_names_the_folder(make_folder: MakeFolder) -> None:
    root = make_folder(count=3, root="download/flowers").parent
    (note,) = FolderSource(root).notes
    assert f"--dataset {root / 'flowers'}" in note.cure


def test_images_beside_the_classes_are_counted(make_folder: MakeFolder) -> None:
    root = make_folder(count=3)
    put(root, "cover.png", "back.png")
    assert "2 images of train in no folder of a class" in unused(FolderSource(root))


def test_files_that_may_be_images_are_counted_by_kind(make_folder: MakeFolder) -> None:
    root = make_folder(count=3)
    put(root / "cat", "IMG_1.HEIC", "IMG_2.heic", "scan0001", "README", "labels.csv", "Thumbs.db", "a.txt", "x.cr2")
    put(root / "cat" / "@eaDir" / "0.png", "SYNOPHOTO_THUMB_M.jpg")
    source = FolderSource(root)
    said = unused(source)
    assert "4 files (2 ending in .heic, 1 without a suffix, 1 ending in .cr2; such as cat/IMG_1.HEIC)" in said
    assert len(source.split("train").records) == 6


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("train-00000.parquet", r"1 Parquet files \(train-00000\.parquet\)\. Give the folder of the \.parquet files"),
        ("images.tar.gz", r"1 archives .* Unpack them"),
        ("clip.MP4", r"1 videos .* Take frames"),
        ("labels.csv", r"1 tables .* Give the path of the table itself"),
        ("x_train.npy", r"1 arrays "),
        ("photo.heic", r"1 images of formats that are not read .* Convert"),
        ("mnist-train.tfrecord-00000-of-00001", r"1 records of TFDS .* --data-dir"),
        ("notes", r"1 other files \(notes\)"),
    ],
)
def test_a_folder_of_something_else_says_what_it_has(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "set" / "inner").mkdir(parents=True)
    (tmp_path / "set" / "inner" / name).write_bytes(b"x")
    with pytest.raises(DataError, match=said):
        FolderSource(tmp_path / "set")
