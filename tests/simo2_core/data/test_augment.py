import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from simo2_core.config import AugmentConfig
from simo2_core.data.augment import augment, contrast, flip, normalise, saturation, shift

NOTHING = AugmentConfig(brightness=0, contrast=0, saturation=0, flip=False, shift=0)
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)
MEAN, STD = np.array([0.5, 0.4, 0.3], np.float32), np.array([0.2, 0.3, 0.25], np.float32)
PLAIN = ((IMAGES / 255 - MEAN) / STD).astype(np.float32)
KEY = jax.random.key(0)


def test_normalise_is_the_formula() -> None:
    np.testing.assert_allclose(normalise(jnp.asarray(IMAGES), MEAN, STD), PLAIN, rtol=1e-5, atol=1e-6)


def test_no_augmentation_is_normalise() -> None:
    np.testing.assert_allclose(augment(KEY, jnp.asarray(IMAGES), NOTHING, MEAN, STD), PLAIN, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "change", [{"brightness": 0.3}, {"contrast": 0.5}, {"saturation": 0.5}, {"flip": True}, {"shift": 2}]
)
def test_each_amount_is_read_and_each_image_has_its_own_draw(change: dict[str, float]) -> None:
    config = AugmentConfig(**{"brightness": 0, "contrast": 0, "saturation": 0, **change})
    same = np.repeat(IMAGES[:1], 256, axis=0)
    out = np.asarray(augment(KEY, jnp.asarray(same), config, np.zeros(3, np.float32), np.ones(3, np.float32)))
    assert len(np.unique(out.reshape(256, -1), axis=0)) == (2 if "flip" in change else 25 if "shift" in change else 256)
    assert out.min() >= 0
    assert out.max() <= 1


def test_brightness_is_a_shift_within_its_bounds() -> None:
    grey = np.full((256, 2, 2, 1), 128, np.uint8)
    config = AugmentConfig(brightness=0.1, contrast=0, saturation=0)
    out = np.asarray(augment(KEY, jnp.asarray(grey), config, np.zeros(1, np.float32), np.ones(1, np.float32)))
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
    config = AugmentConfig(brightness=0, contrast=0, saturation=1.0)
    out = augment(KEY, jnp.asarray(grey), config, MEAN[:1], STD[:1])
    np.testing.assert_allclose(out, PLAIN[..., :1], rtol=1e-5, atol=1e-6)
