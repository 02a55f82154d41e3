"""Every header counts, whatever a file is called, and a size is chosen where images differ."""

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from simo2_core.data.headers import choose_size, read_headers
from simo2_core.data.load import load_dataset
from simo2_core.data.sources.folder import FileRecords
from tests.simo2_core.data.pictures import config, encoded, picture


@pytest.mark.parametrize("odd", [0, 3, 99, 199])
def test_one_image_in_colour_among_hundreds_makes_all_of_them_rgb(tmp_path: Path, odd: int) -> None:
    grey, colour = encoded(picture(1, mode="L")), encoded(picture(2))
    for number in range(200):
        folder = tmp_path / "set" / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:03d}.png").write_bytes(colour if number == odd else grey)
    data = load_dataset(config(tmp_path / "set"))
    assert data.image_shape == (16, 16, 3)
    (note,) = (note for note in data.notes if note.code == "mixed-colours")
    assert note.message == "1 of 200 images are in colour, so all are made RGB."
    assert load_dataset(config(tmp_path / "set", channels=1)).image_shape == (16, 16, 1)


def test_a_header_that_lies_behind_a_long_preview_is_found(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x927C] = b"x" * 40_000
    (tmp_path / "a.jpg").write_bytes(encoded(picture(0, (40, 20)), "JPEG", exif=exif))
    (tmp_path / "b.png").write_bytes(b"no image")
    found = read_headers(FileRecords(str(tmp_path), ("a.jpg", "b.png", "gone.png")))
    assert found.sizes == {(40, 20): 1}
    assert (found.colour, found.unreadable) == (1, 2)
    assert "not an image" in found.reason


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        ({(30, 40): 9}, (30, 40)),
        ({(4000, 3000): 50, (3000, 4000): 50}, (96, 96)),
        ({(40, 60): 95, (9, 9): 5}, (32, 32)),  # a few small ones are enlarged
        ({(40, 60): 50, (20, 20): 50}, (16, 16)),
        ({(5, 7): 1, (6, 6): 1}, (5, 5)),
    ],
)
def test_nine_of_ten_images_fill_the_size_that_is_chosen(sizes: dict[tuple[int, int], int], chosen: object) -> None:
    height, width, notes = choose_size(Counter(sizes))
    assert (height, width) == chosen
    assert len(notes) == (len(sizes) > 1)


def test_what_is_enlarged_is_counted() -> None:
    _, _, (note,) = choose_size(Counter({(40, 60): 95, (9, 9): 5}))
    assert note.message == "100 images of 9×9 to 60×40 pixels are all made 32×32, 5 of them enlarged."
