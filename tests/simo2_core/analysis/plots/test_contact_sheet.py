"""A sheet of images: every word is on the page and over no other, and each image is where its words are."""

import numpy as np
import pytest

from simo2_core.analysis.plots.contact_sheet import ACROSS, SheetSection, Tile, draw_contact_sheet
from simo2_core.analysis.plots.style import clean_all
from tests.simo2_core.analysis.plots.test_pictures import assert_legible, texts_of


def tiles(count, channels):
    names = clean_all(["aquarium_fish", "sweet_pepper_in_a_very_long_folder_name", "東京タワー", "a$b$"], 16)
    rng = np.random.default_rng(count)
    return [
        Tile(rng.integers(0, 256, (6, 8, channels), np.uint8), (names[i % 4], f"→ {names[(i + 1) % 4]}"), i % 2 == 0)
        for i in range(count)
    ]


@pytest.mark.parametrize(("counts", "channels"), [([1], 1), ([ACROSS * 2 + 3, 2, ACROSS], 3)])
def test_words_are_legible_and_below_their_images(tmp_path, laid_out, counts, channels):
    sections = [SheetSection(f"Section {i}: {n} images", tiles(n, channels)) for i, n in enumerate(counts)]
    draw_contact_sheet(tmp_path / "x.png", sections, "Images", "run demo · 99 images", "a note")
    assert_legible(laid_out[0])
    words = " ".join(word for word, _ in texts_of(laid_out[0]))
    assert all(section.title in words for section in sections)
    for axes, section in zip(laid_out[0].axes, sections, strict=True):
        assert len(axes.images) == len(section.tiles)
        for place, (image, tile) in enumerate(zip(axes.images, section.tiles, strict=True)):
            left, right, bottom, _ = image.get_extent()
            below = [text for text in axes.texts if left < text.get_position()[0] < right]
            mine = [t.get_text() for t in below if bottom < t.get_position()[1] < bottom + 0.4]
            assert mine == list(tile.words), place
