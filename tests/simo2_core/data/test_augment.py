from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy import ndimage

from simo2_core.augmentations.blur import blur
from simo2_core.augmentations.contrast import contrast
from simo2_core.augmentations.crop import resized_crop
from simo2_core.augmentations.flip import flip
from simo2_core.augmentations.hue import hue
from simo2_core.augmentations.saturation import saturation
from simo2_core.augmentations.shift import shift
from simo2_core.compiling import jit
from simo2_core.config import Config
from simo2_core.data.augment import augment, normalise

OFF = {"brightness": 0, "contrast": 0, "saturation": 0}
NOTHING = Config().replace(OFF).augment
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)
FLOATS = np.float32(IMAGES / 255)
MEAN, STD = np.array([0.5, 0.4, 0.3], np.float32), np.array([0.2, 0.3, 0.25], np.float32)
PLAIN = ((IMAGES / 255 - MEAN) / STD).astype(np.float32)
KEY = jax.random.key(0)


def augmented(images: Any, augmentations: Any, mean: Any = MEAN, std: Any = STD) -> Any:
    """As one program."""
    return np.asarray(jit(lambda images: augment(KEY, images, augmentations, mean, std))(images))


def test_normalise_is_the_formula() -> None:
    np.testing.assert_allclose(jit(normalise)(IMAGES, MEAN, STD), PLAIN, rtol=1e-5, atol=1e-6)


def test_no_augmentation_is_normalise() -> None:
    np.testing.assert_allclose(augmented(IMAGES, NOTHING), PLAIN, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "change", [{"brightness": 0.3}, {"contrast": 0.5}, {"saturation": 0.5}, {"flip": True}, {"shift": 2}]
)
def test_each_amount_is_read_and_each_image_has_its_own_draw(change: dict[str, float]) -> None:
    config = Config().replace({**OFF, **change}).augment
    same = np.repeat(IMAGES[:1], 256, axis=0)
    out = augmented(same, config, np.zeros(3, np.float32), np.ones(3, np.float32))
    assert len(np.unique(out.reshape(256, -1), axis=0)) == (2 if "flip" in change else 25 if "shift" in change else 256)
    assert out.min() >= 0
    assert out.max() <= 1


def test_brightness_is_a_shift_within_its_bounds() -> None:
    grey = np.full((256, 2, 2, 1), 128, np.uint8)
    config = Config().replace({**OFF, "brightness": 0.1}).augment
    out = augmented(grey, config, np.zeros(1, np.float32), np.ones(1, np.float32))
    change = out[:, 0, 0, 0] - 128 / 255
    assert np.abs(change).max() <= 0.1 + 1e-6
    assert change.min() < -0.08
    assert change.max() > 0.08


def test_flip_mirrors_left_to_right() -> None:
    which = np.array([True, False] * 3)
    out = np.asarray(jit(flip)(IMAGES, which))
    np.testing.assert_array_equal(out[::2], IMAGES[::2, :, ::-1])
    np.testing.assert_array_equal(out[1::2], IMAGES[1::2])


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, -2), (-2, 1), (9, 9)])
def test_shift_repeats_the_edge(down: int, right: int) -> None:
    by = np.tile([[down, right]], (6, 1))
    padded = np.pad(IMAGES, ((0, 0), (9, 9), (9, 9), (0, 0)), mode="edge")
    expected = padded[:, 9 - down : 14 - down, 9 - right : 16 - right]
    np.testing.assert_array_equal(jit(shift)(IMAGES, by), expected)


def test_contrast_keeps_the_mean_and_scales_the_rest() -> None:
    out = np.asarray(jit(contrast)(FLOATS, np.full((6, 1, 1, 1), 0.5, np.float32)))
    np.testing.assert_allclose(out.mean(axis=(1, 2)), FLOATS.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(out.std(axis=(1, 2)), 0.5 * FLOATS.std(axis=(1, 2)), rtol=1e-4)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0])
def test_saturation_agrees_with_pillow(factor: float) -> None:
    out = np.asarray(jit(saturation)(FLOATS, np.full((6, 1, 1, 1), factor, np.float32)))
    expected = [np.asarray(ImageEnhance.Color(Image.fromarray(image)).enhance(factor)) for image in IMAGES]
    np.testing.assert_allclose(out * 255, np.stack(expected), atol=1.5)


def test_grey_images_have_no_saturation() -> None:
    grey = IMAGES[..., :1]
    config = Config().replace({**OFF, "saturation": 1.0}).augment
    out = augmented(grey, config, MEAN[:1], STD[:1])
    np.testing.assert_allclose(out, PLAIN[..., :1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("change", [{"crop": 0.3}, {"hue": 0.3}, {"greyscale": 0.5}, {"blur": 0.5}])
def test_strong_views_are_read_and_stay_in_range(change: dict[str, float]) -> None:
    config = Config().replace({**OFF, **change}).augment
    same = np.repeat(IMAGES[:1], 64, axis=0)
    out = augmented(same, config, np.zeros(3, np.float32), np.ones(3, np.float32))
    kinds = len(np.unique(out.reshape(64, -1), axis=0))
    assert kinds == 2 if "greyscale" in change else kinds > 16
    assert out.min() >= 0
    assert out.max() <= 1


def test_a_crop_of_everything_is_the_image() -> None:
    whole = np.asarray(jit(lambda x: resized_crop(KEY, x, 1 - 1e-7))(FLOATS))
    assert whole.shape == FLOATS.shape
    # sides of 3:4 do not fit a whole image, so what is left out is at most a quarter of one side
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32)[None, :, None, None], (50, 1, 64, 1))
    cut = np.asarray(jit(lambda x: resized_crop(KEY, x, 0.25))(ramp))[:, :, 32, 0]
    assert (np.diff(cut, axis=1) > -1e-6).all(), "rows keep their order"
    height = cut[:, -1] - cut[:, 0]
    assert height.min() > 0.25 * 0.8
    assert height.max() > 0.8


def test_hue_keeps_grey_and_luma_and_a_whole_turn_is_none() -> None:
    def turned(x: Any, share: float) -> Any:
        return np.asarray(program(x, np.full((6, 1, 1, 1), share, np.float32)))

    program = jit(hue)
    np.testing.assert_allclose(turned(FLOATS, 1.0), FLOATS, atol=1e-3)
    luma = np.asarray([0.299, 0.587, 0.114])
    np.testing.assert_allclose(turned(FLOATS, 0.3) @ luma, FLOATS @ luma, atol=1e-3)
    grey = np.full_like(FLOATS, 0.4)
    np.testing.assert_allclose(turned(grey, 0.3), grey, atol=1e-3)


def test_blur_agrees_with_scipy() -> None:
    image = np.random.default_rng(3).integers(0, 256, (24, 20), dtype=np.uint8)
    scipy_blurred = ndimage.gaussian_filter(image / 255.0, 1.2, mode="nearest", truncate=4 / 1.2)
    ours = jit(partial(blur, radius=4))(np.float32(image[None, :, :, None] / 255), np.array([1.2], np.float32))
    np.testing.assert_allclose(np.asarray(ours)[0, :, :, 0], scipy_blurred, atol=1e-5)
