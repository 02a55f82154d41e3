"""What is measured on is never trained on, and classes that may be one are named."""

from pathlib import Path

import numpy as np
import pytest

from simo2_core.config import Config
from simo2_core.data.ids import image_ids
from simo2_core.data.load import alike, load_dataset
from simo2_core.data_config import DataConfig
from simo2_core.errors import ConfigError, DataError
from simo2_core.presets import PRESETS
from tests.simo2_core.data.pictures import MakeFolder, config
from tests.simo2_core.data.tiny_tfds import prepare_tiny


def test_a_split_that_is_trained_on_is_no_test_split(make_folder: MakeFolder) -> None:
    root = make_folder(count=10)
    with pytest.raises(DataError, match=r"20 images of images are in 'train', which is the train split.*hold-out"):
        load_dataset(config(root, test_split="train"))


def test_expressions_that_overlap_are_refused_and_others_not(tmp_path: Path) -> None:
    prepare_tiny("stl10", tmp_path, {"train": 2, "test": 1})

    def load(train: str, test: str) -> None:
        settings = PRESETS["stl10"].config.replace(
            {"data_dir": str(tmp_path), "train_split": train, "test_split": test, "validation_fraction": 0.4}
        )
        load_dataset(settings.data, workers=0)

    with pytest.raises(DataError, match=r"2 images of stl10 are in 'train\[:60%\]'"):
        load("train[:60%]", "train[50%:]")
    with pytest.raises(DataError, match="10 images of stl10 are in"):
        load("train+test", "test")
    with pytest.raises(DataError, match="20 images of stl10 are in 'train'"):
        load("train", "train")
    load("train", "test")


def evaluated(data: object) -> set[bytes]:
    parts = (data.validation, data.test)  # type: ignore[attr-defined]
    return {image.tobytes() for part in parts for image in part.gather()}


def test_views_of_train_leave_out_what_is_held_out_of_it(make_folder: MakeFolder) -> None:
    data = load_dataset(config(make_folder(count=10), labels="none", views_split="train"))
    assert data.views is not None
    views = data.views.singletons()
    assert len(views) == len(data.train) == 14
    assert not {image.tobytes() for image in views.gather()} & evaluated(data)


@pytest.mark.parametrize("views", ["train", "train+test", "test+train[:50%]"])
def test_views_of_an_expression_leave_it_out_too(tmp_path: Path, views: str) -> None:
    prepare_tiny("stl10", tmp_path, {"train": 2, "test": 1})
    changes = {"data_dir": str(tmp_path), "labels": "none", "views_split": views, "validation_fraction": 0.4}
    settings = PRESETS["stl10"].config.replace(changes).data
    data = load_dataset(settings, workers=0)
    trained = [int(id.rsplit(" ", 1)[1]) for id in image_ids(settings, data)["train"]]
    assert len(trained) == 10
    assert data.views is not None
    assert len(data.views) == sum(place < 10 or views != "test+train[:50%]" for place in trained)


def test_views_of_nothing_but_what_is_evaluated_are_refused(make_folder: MakeFolder) -> None:
    root = make_folder(count=10, root="set/train").parent
    make_folder(count=4, root="set/test")
    with pytest.raises(DataError, match="every image of 'test' of set is evaluated"):
        load_dataset(config(root, labels="none", views_split="test"))


def test_a_run_on_views_of_what_was_evaluated_is_not_gone_on_with(make_folder: MakeFolder) -> None:
    data = load_dataset(config(make_folder(count=10), labels="none", views_split="train"))
    assert data.former == ""


def test_digits_have_views_of_train_alone() -> None:
    data = load_dataset(DataConfig(labels="none", views_split="train"))
    assert data.views is None
    with pytest.raises(DataError, match="digits has no split 'test', only train"):
        load_dataset(DataConfig(labels="none", views_split="test"))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("Cat", "cat", "dog"), "'Cat' and 'cat'"),
        (("big dog", "big_dog"), "'big dog' and 'big_dog'"),
        (("cafe\u0301", "caf\u00e9"), " and "),
        (("cat", "cats"), ""),
    ],
)
def test_classes_that_may_be_one_get_a_word(names: tuple[str, ...], said: str) -> None:
    found = " ".join(note.message for note in alike(names))
    assert said in found
    assert bool(found) == bool(said)


def test_labels_are_those_of_the_sorted_pixels(make_folder: MakeFolder) -> None:
    data = load_dataset(config(make_folder(("Cat", "cat"), count=5)))
    assert [note.code for note in data.notes if note.code == "alike-classes"] == ["alike-classes"]
    assert np.unique(data.train.labels).tolist() == [0, 1]


def test_classes_held_out_are_in_no_part_but_their_own(make_folder: MakeFolder) -> None:
    names = tuple("abcdef")
    root = make_folder(names, count=10)
    whole, data = (load_dataset(config(root, hold_out_classes=share)) for share in (0.0, 0.5))
    assert data.unseen is not None
    assert whole.unseen is None
    assert len(data.class_names) == len(data.unseen_classes) == 3
    assert {*data.class_names, *data.unseen_classes} == set(names)
    for part in ("train", "validation", "test"):
        kept = [whole.class_names.index(name) for name in data.class_names]
        before, after = whole.parts[part], data.parts[part]
        assert after.counts.tolist() == before.counts[kept].tolist()
        assert set(after.rows) == set(before.rows[np.isin(before.labels, kept)])
    assert set(data.unseen.rows) == set(whole.test.rows) - set(data.test.rows)
    assert sorted(set(data.unseen.labels)) == [0, 1, 2]
    assert not {image.tobytes() for image in data.unseen.gather()} & {image.tobytes() for image in data.train.gather()}
    assert not data.is_that_of(whole.fingerprint)
    assert not whole.is_that_of(data.fingerprint)
    assert not np.array_equal(data.mean, whole.mean), "statistics of classes that are not trained on"
    again = load_dataset(config(root, hold_out_classes=0.5))
    assert again.class_names == data.class_names
    assert again.is_that_of(data.fingerprint)
    settings = config(root, hold_out_classes=0.5)
    ids = image_ids(settings, data)
    assert {id.split("/")[-2] for id in ids["unseen"]} == set(data.unseen_classes)
    assert {id.split("/")[-2] for id in ids["train"]} == set(data.class_names)


def test_two_classes_are_left_to_train_on(make_folder: MakeFolder) -> None:
    with pytest.raises(
        DataError, match=r"keeps 2 of 3 classes for test alone, and training needs two\. Hold out fewer"
    ):
        load_dataset(config(make_folder(tuple("abc"), count=10), hold_out_classes=0.5))
    with pytest.raises(ConfigError, match=r"hold_out_classes is 0.5; it must be 0 beside a --views-split"):
        Config().replace({"labels": "none", "views_split": "train", "hold_out_classes": 0.5})
