"""What one look at all images tells: what they are normalised by, which are equal, which show nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from simo2_core.data import build, survey
from simo2_core.data.cache import NoRoom
from simo2_core.data.dataset import DataPart, Dataset
from simo2_core.data.load import load_dataset
from simo2_core.data.on_demand import OnDemandImages
from simo2_core.data.statistics import mean_and_std
from simo2_core.data.survey import describe, look
from tests.simo2_core.data.pictures import MakeFolder, config, encoded, picture


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Dataset]:
    """Loads a data set as where the disk of the cache has no room."""

    def refuse(*_: Any) -> None:
        raise NoRoom("there is none.")

    def load(root: Path, **changes: object) -> Dataset:
        with monkeypatch.context() as patch:
            patch.setattr(build, "require_room", refuse)
            data = load_dataset(config(root, **changes), workers=1)
        assert isinstance(data.train.images, OnDemandImages)
        return data

    return load


@pytest.mark.parametrize("channels", [1, 3])
def test_mean_and_std_are_those_of_numpy_block_by_block(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(channels).integers(0, 256, (20, 5, 7, channels), dtype=np.uint8)
    images[3:10] //= 3
    part = DataPart(images, np.array([0, 12]), np.array([10, 5]))
    monkeypatch.setattr(survey, "_BLOCK", 3 * images[0].nbytes)
    seen = look(images, part)
    assert seen.histogram.sum(axis=1).tolist() == [15 * 35] * channels
    mean, std = mean_and_std(seen.histogram)
    used = images[part.rows] / 255
    np.testing.assert_allclose(mean, used.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(std, used.std((0, 1, 2)), rtol=1e-6)
    np.testing.assert_array_equal(seen.low, images.min((1, 2, 3)))
    np.testing.assert_array_equal(seen.high, images.max((1, 2, 3)))
    assert len(set(seen.digests.tolist())) == 20


def test_an_image_is_of_one_colour_only_if_every_pixel_is() -> None:
    images = np.full((4, 3, 3, 3), 7, np.uint8)
    images[0] = (200, 0, 0)
    images[1, 1, 1, 2] = 8  # its corners are alike
    images[2, 0, 0] = 9
    assert look(images, None).constant.tolist() == [True, False, False, True]


def test_streaming_normalises_by_all_images_as_the_cache_does(
    make_folder: MakeFolder, stream: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder(count=10)
    streamed = stream(root)
    monkeypatch.setattr(survey, "look", lambda *_: pytest.fail("looked twice"))
    np.testing.assert_array_equal(stream(root).mean, streamed.mean)
    monkeypatch.undo()
    monkeypatch.setenv("SIMO2_CACHE", str(root.parent / "cache"))
    cached = load_dataset(config(root))
    np.testing.assert_array_equal(cached.mean, streamed.mean)
    np.testing.assert_array_equal(cached.std, streamed.std)


def test_a_run_that_streamed_goes_on_when_its_cache_fits_and_back(
    make_folder: MakeFolder, stream: Callable[..., Dataset]
) -> None:
    root = make_folder(count=10)
    streamed, cached = stream(root), load_dataset(config(root))
    assert cached.is_that_of(streamed.fingerprint)
    assert streamed.is_that_of(cached.fingerprint)
    (root / "cat" / "0.png").write_bytes(encoded(picture(999, (17, 16))))
    assert not load_dataset(config(root, image_size=16)).is_that_of(streamed.fingerprint)


def test_white_drawings_on_transparent_ground_are_counted_before_a_run(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for label, name in enumerate(("disc", "box")):
        (root / name).mkdir(parents=True)
        for number in range(5):
            drawing = Image.new("RGBA", (16, 16), (255, 255, 255, 0))
            drawing.paste((255, 255, 255, 255), (0, 0, 3 + number, 4 + 5 * label))
            (root / name / f"{number}.png").write_bytes(encoded(drawing))
    codes = {note.code: note for note in load_dataset(config(root)).notes}
    assert "10 of 10 train images are of one colour" in codes["constant"].message
    assert "--background black" in codes["constant"].cure
    assert (
        "--background white" in describe(look(np.zeros((1, 4, 4, 1), np.uint8), None), "", background="black")[0].cure
    )
    black = load_dataset(config(root, background="black"))
    assert not {note.code for note in black.notes} & {"constant", "faint", "equal-images"}


def test_greys_of_twelve_bits_are_counted_and_their_depth_named(tmp_path: Path) -> None:
    root = tmp_path / "set"
    rng = np.random.default_rng(0)
    for name, level in (("cat", 1200), ("dog", 2600)):
        (root / name).mkdir(parents=True)
        for number in range(5):
            greys = np.clip(rng.normal(level, 400, (16, 16)), 0, 4095).astype(np.uint16)
            (root / name / f"{number}.png").write_bytes(encoded(Image.fromarray(greys)))
    (note,) = load_dataset(config(root)).notes
    assert note.code == "faint"
    assert "10 of 10 train images span fewer than 24 of 256 levels" in note.message
    assert "--depth 12" in note.cure
    assert not load_dataset(config(root, depth=12)).notes


def test_faint_images_of_eight_bits_are_not_called_deep() -> None:
    images = np.full((3, 4, 4, 1), 240, np.uint8)
    images[:, 0, 0] = 250
    (note,) = describe(look(images, None), "train")
    assert "--depth" not in note.cure


@pytest.mark.parametrize("copies", [1, 3])
def test_images_that_are_trained_and_measured_on_are_counted(make_folder: MakeFolder, copies: int) -> None:
    root = make_folder(count=9, root="set/train").parent
    (root / "test" / "cat").mkdir(parents=True)
    for number in range(copies):  # equal in their pixels, not in their bytes
        copied = Image.open(root / "train" / "cat" / f"{number}.png")
        (root / "test" / "cat" / f"new{number}.bmp").write_bytes(encoded(copied, "BMP"))
    (root / "test" / "cat" / "other.png").write_bytes(encoded(picture(777)))
    found = [note for note in load_dataset(config(root, validation_fraction=0.05)).notes if note.code == "equal-images"]
    assert sum(int(note.message.split()[0]) for note in found) in (copies - 1, copies)  # one may be held out
    assert all("pixel for pixel" in note.message for note in found)
