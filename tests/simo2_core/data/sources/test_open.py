"""Which kind of source takes what a user gives, a stranger's among them."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from simo2_core import parts
from simo2_core.data.ids import image_ids
from simo2_core.data.load import load_dataset
from simo2_core.data.progress import Report
from simo2_core.data.sources.open import claimant, open_on_disk, open_source
from simo2_core.data.sources.source import Source, SourcePart, Split, split_of_pixels
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError
from tests.simo2_core.data.pictures import MakeFolder, config


def test_each_text_has_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    kinds = {
        text: claimant(DataConfig(dataset=text)).name
        for text in ("digits", "cifar10", "./cifar10", "mine", "eurosat/rgb", "/x")
    }
    assert kinds == {
        "digits": "digits",
        "cifar10": "tfds",
        "./cifar10": "folder",
        "mine": "folder",
        "eurosat/rgb": "tfds",
        "/x": "folder",
    }


def test_what_is_not_prepared_is_not_opened(tmp_path: Path) -> None:
    assert open_on_disk(DataConfig(dataset="mnist", data_dir=str(tmp_path))) is None
    assert open_on_disk(DataConfig()) is not None


class Stripes(Source):
    """Horizontal and vertical ones, made up."""

    name: ClassVar[str] = "stripes"
    splits: ClassVar[tuple[str, ...]] = ("train",)
    in_memory: ClassVar[bool] = True

    def identity(self, split: str) -> str:
        return "1"

    def split(self, split: str) -> Split:
        images = np.zeros((20, 8, 8, 1), np.uint8)
        images[:10, ::2], images[10:, :, ::2] = 200, 200
        images += np.arange(20, dtype=np.uint8)[:, None, None, None]
        return split_of_pixels(split, images, np.arange(20) // 10, ("lying", "standing"))


@dataclass(frozen=True, kw_only=True)
class StripesPart(SourcePart):
    name: ClassVar[str] = "stripes"

    @classmethod
    def claims(cls, dataset: str) -> bool:
        return dataset == "stripes"

    def open(self, config: DataConfig, report: Report) -> Source:
        return Stripes()


@pytest.fixture
def _stripes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(parts._registered, "source", {"stripes": StripesPart})


@pytest.mark.usefixtures("_stripes")
def test_a_source_of_ones_own_is_loaded_cut_and_named() -> None:
    settings = DataConfig(dataset="stripes")
    data = load_dataset(settings)
    assert data.class_names == ("lying", "standing")
    assert [len(part) for part in data.parts.values()] == [14, 2, 4]
    ids = image_ids(settings, data)
    for name, part in data.parts.items():
        pixels = Stripes().split("train").pixels
        assert pixels is not None
        np.testing.assert_array_equal(pixels[[int(id) for id in ids[name]]], part.gather())


def test_small_classes_can_be_left_out(make_folder: MakeFolder) -> None:
    root = make_folder(("cat", "dog"), count=6, root="set/train").parent
    make_folder(("emu", "owl"), count=1, root="set/train")
    make_folder(("cat", "emu"), count=2, root="set/test")
    data = load_dataset(config(root, min_images=3))
    assert data.class_names == ("cat", "dog")
    assert data.test.counts.tolist() == [2, 0]
    (note,) = (note for note in data.notes if note.code == "small-classes")
    assert note.message == "2 of 4 classes have fewer than 3 images and are left out: 'emu' (1), 'owl' (1)."
    with pytest.raises(DataError, match=r"2 of 4 classes have fewer than 2 images.*--min-images 2"):
        load_dataset(config(root))
    with pytest.raises(DataError, match="no class of set has 50 images; the largest has 6"):
        load_dataset(config(root, min_images=50))
    assert open_source(config(root, min_images=3)).files("train") != open_source(config(root)).files("train")
