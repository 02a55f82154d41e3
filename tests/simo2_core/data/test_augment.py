import jax
import jax.numpy as jnp
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
MEAN, STD = jnp.array([0.5, 0.4, 0.3], jnp.float32), jnp.array([0.2, 0.3, 0.25], jnp.float32)
PLAIN = ((IMAGES / 255 - np.asarray(MEAN)) / np.asarray(STD)).astype(np.float32)
KEY = jax.random.key(0)


def test_normalise_is_the_formula() -> None:
    np.testing.assert_allclose(normalise(jnp.asarray(IMAGES), MEAN, STD), PLAIN, rtol=1e-5, atol=1e-6)


def test_no_augmentation_is_normalise() -> None:
    np.testing.assert_allclose(augment(KEY, jnp.asarray(IMAGES), NOTHING, MEAN, STD), PLAIN, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "change", [{"brightness": 0.3}, {"contrast": 0.5}, {"saturation": 0.5}, {"flip": True}, {"shift": 2}]
)
def test_each_amount_is_read_and_each_image_has_its_own_draw(change: dict[str, float]) -> None:
    config = Config().replace({**OFF, **change}).augment
    same = np.repeat(IMAGES[:1], 256, axis=0)
    out = np.asarray(augment(KEY, jnp.asarray(same), config, jnp.zeros(3), jnp.ones(3)))
    assert len(np.unique(out.reshape(256, -1), axis=0)) == (2 if "flip" in change else 25 if "shift" in change else 256)
    assert out.min() >= 0
    assert out.max() <= 1


def test_brightness_is_a_shift_within_its_bounds() -> None:
    grey = np.full((256, 2, 2, 1), 128, np.uint8)
    config = Config().replace({**OFF, "brightness": 0.1}).augment
    out = np.asarray(augment(KEY, jnp.asarray(grey), config, jnp.zeros(1), jnp.ones(1)))
    change = out[:, 0, 0, 0] - 128 / 255
    assert np.abs(change).max() <= 0.1 + 1e-6
    assert change.min() < -0.08
    assert change.max() > 0.08


def test_flip_mirrors_left_to_right() -> None:
    which = np.array([True, False] * 3)
    out = np.asarray(flip(jnp.asarray(IMAGES), jnp.asarray(which)))
    np.testing.assert_array_equal(out[::2], IMAGES[::2, :, ::-1])
    np.testing.assert_array_equal(out[1::2], IMAGES[1::2])


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, -2), (-2, 1), (9, 9)])
def test_shift_repeats_the_edge(down: int, right: int) -> None:
    by = np.tile([[down, right]], (6, 1))
    padded = np.pad(IMAGES, ((0, 0), (9, 9), (9, 9), (0, 0)), mode="edge")
    expected = padded[:, 9 - down : 14 - down, 9 - right : 16 - right]
    np.testing.assert_array_equal(shift(jnp.asarray(IMAGES), jnp.asarray(by)), expected)


def test_contrast_keeps_the_mean_and_scales_the_rest() -> None:
    x = jnp.asarray(IMAGES / 255, jnp.float32)
    out = np.asarray(contrast(x, jnp.full((6, 1, 1, 1), 0.5)))
    np.testing.assert_allclose(out.mean(axis=(1, 2)), np.asarray(x).mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(out.std(axis=(1, 2)), 0.5 * np.asarray(x).std(axis=(1, 2)), rtol=1e-4)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0])
def test_saturation_agrees_with_pillow(factor: float) -> None:
    out = np.asarray(saturation(jnp.asarray(IMAGES / 255, jnp.float32), jnp.full((6, 1, 1, 1), factor)))
    expected = [np.asarray(ImageEnhance.Color(Image.fromarray(image)).enhance(factor)) for image in IMAGES]
    np.testing.assert_allclose(out * 255, np.stack(expected), atol=1.5)


def test_grey_images_have_no_saturation() -> None:
    grey = IMAGES[..., :1]
    config = Config().replace({**OFF, "saturation": 1.0}).augment
    out = augment(KEY, jnp.asarray(grey), config, MEAN[:1], STD[:1])
    np.testing.assert_allclose(out, PLAIN[..., :1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("change", [{"crop": 0.3}, {"hue": 0.3}, {"greyscale": 0.5}, {"blur": 0.5}])
def test_strong_views_are_read_and_stay_in_range(change: dict[str, float]) -> None:
    config = Config().replace({**OFF, **change}).augment
    same = np.repeat(IMAGES[:1], 64, axis=0)
    out = np.asarray(augment(KEY, jnp.asarray(same), config, jnp.zeros(3), jnp.ones(3)))
    kinds = len(np.unique(out.reshape(64, -1), axis=0))
    assert kinds == 2 if "greyscale" in change else kinds > 16
    assert out.min() >= 0
    assert out.max() <= 1


def test_a_crop_of_everything_is_the_image() -> None:
    x = jnp.asarray(IMAGES / 255, jnp.float32)
    whole = np.asarray(jit(lambda x: resized_crop(KEY, x, 1 - 1e-7))(x))
    assert whole.shape == x.shape
    # sides of 3:4 do not fit a whole image, so what is left out is at most a quarter of one side
    ramp = jnp.tile(jnp.linspace(0, 1, 64)[None, :, None, None], (50, 1, 64, 1))
    cut = np.asarray(jit(lambda x: resized_crop(KEY, x, 0.25))(ramp))[:, :, 32, 0]
    assert (np.diff(cut, axis=1) > -1e-6).all(), "rows keep their order"
    height = cut[:, -1] - cut[:, 0]
    assert height.min() > 0.25 * 0.8
    assert height.max() > 0.8


def test_hue_keeps_grey_and_luma_and_a_whole_turn_is_none() -> None:
    x = jnp.asarray(IMAGES / 255, jnp.float32)
    turn = lambda share: jnp.full((len(x), 1, 1, 1), share)  # noqa: E731
    np.testing.assert_allclose(hue(x, turn(1.0)), x, atol=1e-3)
    luma = np.asarray([0.299, 0.587, 0.114])
    np.testing.assert_allclose(hue(x, turn(0.3)) @ luma, x @ luma, atol=1e-3)
    grey = jnp.full((1, 2, 2, 3), 0.4)
    np.testing.assert_allclose(hue(grey, turn(0.3)[:1]), grey, atol=1e-3)


def test_blur_agrees_with_scipy() -> None:
    image = np.random.default_rng(3).integers(0, 256, (24, 20), dtype=np.uint8)
    scipy_blurred = ndimage.gaussian_filter(image / 255.0, 1.2, mode="nearest", truncate=4 / 1.2)
    ours = blur(jnp.asarray(image[None, :, :, None] / 255, jnp.float32), jnp.asarray([1.2]), radius=4)
    np.testing.assert_allclose(np.asarray(ours)[0, :, :, 0], scipy_blurred, atol=1e-5)
