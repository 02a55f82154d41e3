"""Copies of an image are pairs, other images of its kind are not."""

import io

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from simo2_core.analysis import duplicates
from simo2_core.analysis.duplicates import contrasts, near_duplicates


def photograph(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((64, 64), Image.Resampling.BICUBIC)
    return Image.fromarray(np.clip(np.asarray(coarse) + rng.normal(0, 12, (64, 64, 1)), 0, 255).astype(np.uint8))


def small(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB").resize((16, 16), Image.Resampling.BOX))


def saved(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def test_a_photograph_saved_anew_made_smaller_or_brighter_is_the_same() -> None:
    own = photograph(0)
    brighter = Image.fromarray((np.asarray(own) * 0.8 + 40).astype(np.uint8))
    changed = [saved(own, 40), own.resize((40, 40)), brighter]
    others = [photograph(seed) for seed in range(1, 40)]
    thumbnails = np.stack([small(image) for image in (own, *changed, *others)])
    pairs = near_duplicates(contrasts(thumbnails))
    assert {(pair.first, pair.second) for pair in pairs} == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)}
    assert [pair.correlation for pair in pairs] == sorted((pair.correlation for pair in pairs), reverse=True)


def test_digits_of_one_class_are_no_copies_of_each_other() -> None:
    images = (load_digits().images * 15).astype(np.uint8)[..., None]
    assert len(near_duplicates(contrasts(images))) <= 1


def test_images_of_one_colour_are_like_nothing_and_many_equal_ones_are_few_pairs(monkeypatch) -> None:
    flat = np.stack([np.full((4, 4, 1), level, np.uint8) for level in (0, 7, 7, 255)])
    assert near_duplicates(contrasts(flat)) == []
    monkeypatch.setattr(duplicates, "MOST_PARTNERS", 3)
    equal = np.repeat(np.random.default_rng(0).integers(0, 256, (1, 4, 4, 3), np.uint8), 50, 0)
    pairs = near_duplicates(contrasts(equal))
    assert len(pairs) == 1 + 2 + 3 * 47
    assert {pair.second for pair in pairs} == set(range(1, 50)), "each has a partner"
