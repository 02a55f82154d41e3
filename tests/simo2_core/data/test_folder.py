"""A folder of images, as people really have them."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simo2_core.config import Config
from simo2_core.data.load import load_dataset
from simo2_core.data.sources.folder import FolderSource
from simo2_core.data.sources.place import DATA_SETS, is_place
from simo2_core.errors import DataError
from simo2_core.presets import PRESETS
from tests.simo2_core.data.pictures import MakeFolder, config, encoded, picture


def test_a_plain_folder_is_cut_into_three_parts(make_folder: MakeFolder) -> None:
    data = load_dataset(config(make_folder(("dog", "cat"), count=20)))
    assert data.class_names == ("cat", "dog")
    assert data.image_shape == (16, 16, 3)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [28, 4, 8]
    rows = np.concatenate([data.train.rows, data.validation.rows, data.test.rows])
    assert sorted(rows.tolist()) == list(range(40))


def test_every_image_lands_in_its_class_unchanged(make_folder: MakeFolder) -> None:
    root = make_folder(("a", "b", "c"), count=5)
    data = load_dataset(config(root))
    for number, name in enumerate(data.class_names):
        stored = {np.asarray(Image.open(path)).tobytes() for path in (root / name).iterdir()}
        rows = data.train.images[number * 5 : number * 5 + 5]
        assert {row.tobytes() for row in rows} == stored


def test_train_and_test_folders_are_kept_apart(make_folder: MakeFolder) -> None:
    make_folder(count=10, root="set/train")
    root = make_folder(count=4, root="set/Test").parent
    data = load_dataset(config(root))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [18, 2, 8]
    assert data.test.images is not data.train.images


def test_val_alone_is_the_test_set_and_beside_test_it_validates(make_folder: MakeFolder) -> None:
    make_folder(count=10, root="set/train")
    root = make_folder(count=3, root="set/val").parent
    data = load_dataset(config(root))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [18, 2, 6]
    make_folder(count=4, root="set/test")
    data = load_dataset(config(root))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [20, 6, 8]


def test_a_part_of_train_can_be_held_out_whatever_splits_there_are(make_folder: MakeFolder) -> None:
    make_folder(count=10, root="set/train")
    root = make_folder(count=4, root="set/test").parent
    data = load_dataset(config(root, test_split="hold-out"))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [14, 2, 4]
    assert data.test.images is data.train.images


def test_a_class_may_have_folders_of_its_own(make_folder: MakeFolder) -> None:
    root = make_folder(count=3)
    deep = root / "cat" / "1.of the neighbour.jpg" / "2024"  # between its files in the alphabet, and named like one
    deep.mkdir(parents=True)
    (deep / "one.jpg").write_bytes(encoded(picture(), "JPEG"))
    assert load_dataset(config(root)).train.images.shape[0] == 7
    names = FolderSource(root).split("train").records.names()
    assert list(names) == sorted(names)
    assert names[1] == "cat/1.of the neighbour.jpg/2024/one.jpg"


def test_readme_hidden_files_pipes_and_empty_classes_are_passed_over(make_folder: MakeFolder) -> None:
    root = make_folder(count=3)
    (root / "README.md").write_text("hello")
    (root / "cat" / "notes.txt").write_text("hello")
    (root / "cat" / ".DS_Store").write_bytes(b"x")
    (root / "cat" / ".hidden.png").write_bytes(b"x")
    (root / ".git").mkdir()
    (root / "nothing").mkdir()
    os.mkfifo(root / "cat" / "pipe.png")  # whoever opened it would wait for ever
    data = load_dataset(config(root))
    assert data.class_names == ("cat", "dog")
    assert data.empty_classes == ("nothing",)
    assert not data.skipped


def test_mixed_sizes_get_a_size_that_is_said(make_folder: MakeFolder) -> None:
    root = make_folder(count=5, size=(40, 30))
    (root / "cat" / "big.png").write_bytes(encoded(picture(9, (100, 50))))
    data = load_dataset(config(root))
    assert data.image_shape == (28, 28, 3)
    for notes in (data.notes, load_dataset(config(root)).notes):  # from the cache as well
        (note,) = notes
        assert note.code == "image-size-chosen"
        assert "11 images of 40×30 to 100×50 pixels are all made 28×28." in note.message
        assert "--image-size" in note.cure
    assert load_dataset(config(root, image_size=24)).image_shape == (24, 24, 3)


def test_images_of_several_sizes_are_made_no_smaller_than_the_encoder_takes_them(make_folder: MakeFolder) -> None:
    root = make_folder(count=5, size=(12, 10))
    (root / "cat" / "big.png").write_bytes(encoded(picture(9, (30, 20))))
    settings = Config(data=config(root))
    for _ in range(2):  # from the cache as well
        data = load_dataset(settings.images)
        (note,) = data.notes
        assert (data.image_shape, note.code) == ((16, 16, 3), "image-size-chosen")
        assert "11 images of several sizes are all made 16×16, as small as the encoder takes them" in note.message
        assert "--image-size" in note.cure
    for changes, side in (({"widths": (8, 8)}, 8), ({"min_size": 20}, 20), ({"image_size": 9}, 9)):
        assert load_dataset(settings.replace(changes).images).image_shape == (side, side, 3)
    same = Config(data=config(make_folder(root="same", size=(12, 12))))
    assert load_dataset(same.images).image_shape == (12, 12, 3), "their own size, where they have one"


def test_a_run_of_before_keeps_the_size_that_was_chosen_for_it(make_folder: MakeFolder) -> None:
    settings = Config(data=config(make_folder(count=5, size=(12, 10))))
    old = settings.to_json()
    del old["data"]["min_size"]
    assert Config.from_json(old).images.min_size == 1
    assert Config.from_json(settings.to_json()).images.min_size == 16
    assert Config.from_json({**old, "data": {**old["data"], "image_size": 8}}).data.min_size == 0


def test_a_folder_does_not_take_over_the_name_of_a_preset(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_folder(root="cifar10").parent)
    make_folder(root="mine")
    taken = {name: is_place(name) for name in ("cifar10", "./cifar10", "mine", "~/x", "nowhere")}
    assert taken == {"cifar10": False, "./cifar10": True, "mine": True, "~/x": True, "nowhere": False}
    assert {preset.config.data.dataset for preset in PRESETS.values()} == DATA_SETS


def test_one_size_that_is_not_square_is_kept(make_folder: MakeFolder) -> None:
    assert load_dataset(config(make_folder(count=3, size=(20, 12)))).image_shape == (12, 20, 3)


def test_grey_stays_grey_unless_colour_is_asked_for(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "set" / name).mkdir(parents=True)
        for index in range(3):
            (tmp_path / "set" / name / f"{index}.png").write_bytes(encoded(picture(index, mode="L")))
    assert load_dataset(config(tmp_path / "set")).image_shape == (16, 16, 1)
    assert load_dataset(config(tmp_path / "set", channels=3)).image_shape == (16, 16, 3)


BAD = {
    "truncated.jpg": encoded(picture(0), "JPEG")[:-40],
    "zero.png": b"",
    "text.jpg": b"I am a text file.",
    "truncated.gif": encoded(picture(0, mode="P"), "GIF")[:-100],
    "float.tif": encoded(Image.fromarray(np.ones((16, 16), np.float32)), "TIFF"),
}


def test_bad_files_are_named_counted_and_skipped(make_folder: MakeFolder) -> None:
    root = make_folder(count=10)
    clean = load_dataset(config(root))
    for name, data in BAD.items():
        (root / "dog" / name).write_bytes(data)
    (root / "dog" / "gone.png").symlink_to(root / "nowhere.png")
    (root / "dog" / "itself.png").symlink_to(root / "dog" / "itself.png")
    dirty = load_dataset(config(root))
    assert [item.name for item in dirty.skipped] == sorted(
        [*(f"dog/{name}" for name in BAD), "dog/gone.png", "dog/itself.png"]
    )
    assert all(item.reason for item in dirty.skipped)
    images = {image.tobytes() for image in dirty.train.images}
    assert images == {image.tobytes() for image in clean.train.images}
    assert load_dataset(config(root)).skipped == dirty.skipped  # from the cache as well


def test_strict_refuses_them_freshly_decoded_and_cached(make_folder: MakeFolder) -> None:
    root = make_folder(count=4)
    (root / "dog" / "text.jpg").write_bytes(b"I am a text file.")
    for _ in range(2):
        with pytest.raises(DataError, match=r"1 files .*dog/text\.jpg: not an image"):
            load_dataset(config(root, strict=True))
    load_dataset(config(root))
    with pytest.raises(DataError, match=r"dog/text\.jpg"):
        load_dataset(config(root, strict=True))


GOOD = {
    "palette.png": encoded(picture(1).quantize(16)),
    "deep.png": encoded(Image.fromarray(np.full((16, 16), 40_000, np.uint16))),
    "cmyk.jpg": encoded(picture(2, mode="CMYK"), "JPEG"),
    "alpha.png": encoded(picture(3, mode="RGBA")),
    "moving.gif": encoded(picture(4, mode="P"), "GIF", save_all=True, append_images=[picture(5, mode="P")]),
    "UPPER.JPG": encoded(picture(6), "JPEG"),
    "huge.png": encoded(Image.new("1", (10_000, 10_000))),  # more than Pillow's own warning allows
    "naïve 猫 🐈.png": encoded(picture(7)),
    "new\nline.png": encoded(picture(8)),
    "lies.jpg": encoded(picture(9), "PNG"),
    "-rf.png": encoded(picture(10)),
}


def test_unusual_but_sound_files_are_all_taken(make_folder: MakeFolder) -> None:
    root = make_folder(count=3)
    for name, content in GOOD.items():
        (root / "cat" / name).write_bytes(content)
    data = load_dataset(config(root, image_size=16))
    assert not data.skipped
    assert len(data.train.images) == 6 + len(GOOD)


def test_a_name_that_is_no_utf8_is_taken_and_printable(make_folder: MakeFolder) -> None:
    root = make_folder(count=3)
    with open(os.fsencode(root) + b"/cat/\xff\xfe.png", "wb") as file:  # noqa: PTH123 (a name that Path refuses)
        file.write(b"broken")
    (skipped,) = load_dataset(config(root)).skipped
    assert skipped.name.isprintable()
    skipped.name.encode()


def test_a_newline_in_a_class_name_is_escaped_for_people(make_folder: MakeFolder) -> None:
    data = load_dataset(config(make_folder(("line\nbreak", "ünï 猫"), count=3)))
    assert data.class_names == ("line\\nbreak", "ünï 猫")


def test_a_circle_of_links_ends(make_folder: MakeFolder) -> None:
    root = make_folder(count=3)
    (root / "cat" / "again").symlink_to(root / "cat", target_is_directory=True)
    (root / "cat" / "up").symlink_to(root, target_is_directory=True)
    source = FolderSource(root)
    paths = source.split("train").records.names()
    assert len(paths) < 30
    assert len([path for path in paths if path.startswith("dog/")]) == 3


def test_linked_folders_are_followed(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(count=3)
    elsewhere = make_folder(("bird",), count=5, root="elsewhere")
    (root / "bird").symlink_to(elsewhere / "bird", target_is_directory=True)
    assert load_dataset(config(root)).class_names == ("bird", "cat", "dog")


def test_a_file_that_may_not_be_read_is_skipped(make_folder: MakeFolder) -> None:
    root = make_folder(count=4)
    secret = root / "cat" / "0.png"
    secret.chmod(0)
    if os.access(secret, os.R_OK):
        pytest.skip("this user may read everything")
    (skipped,) = load_dataset(config(root)).skipped
    assert skipped.name == "cat/0.png"


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no class with images\. It is empty"):
        load_dataset(config(tmp_path))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere is no folder"):
        load_dataset(config(tmp_path / "nowhere"))


def test_a_test_class_unknown_to_train_is_refused(make_folder: MakeFolder) -> None:
    make_folder(("cat", "dog"), root="set/train")
    root = make_folder(("cats", "dog"), root="set/test").parent
    with pytest.raises(DataError, match=r"class 'cats', which train does not\. Did you mean cat"):
        load_dataset(config(root))


def test_a_class_of_which_nothing_can_be_read_is_refused(make_folder: MakeFolder) -> None:
    root = make_folder(count=3)
    (root / "bird").mkdir()
    (root / "bird" / "0.png").write_bytes(b"no")
    with pytest.raises(DataError, match="no image of the class 'bird'"):
        load_dataset(config(root))


def test_a_class_too_small_for_its_parts_is_refused(make_folder: MakeFolder) -> None:
    with pytest.raises(DataError, match="fewer than 3 images: 'cat' \\(2\\)"):
        load_dataset(config(make_folder(count=2)))


def test_a_split_that_is_not_there_lists_those_that_are(make_folder: MakeFolder) -> None:
    with pytest.raises(DataError, match="no split 'test'; it has train"):
        load_dataset(config(make_folder(), test_split="test"))
