"""What each augmentation does to pixels at both ends of its range, against Pillow, scipy, or a case worked by hand.

The random draws are put at an end; nothing else is taken out, so that the whole way from a setting to a pixel is held.
"""

import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy import ndimage

from simo2_core.augmentations.augmentation import Drawn
from simo2_core.compiling import jit
from simo2_core.config import Config
from simo2_core.data.augment import augment

LOW, HIGH = 0, 1
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 12, 10, 3), dtype=np.uint8)
STEP = 1 / 255
"""One level of a byte: Pillow rounds to them."""


@pytest.fixture
def put(monkeypatch):
    """Puts every random draw at the low or the high end of its range; a coin falls on no or on yes."""

    def at(end):
        def uniform(key, shape=(), dtype=float, minval=0.0, maxval=1.0):
            return jnp.full(shape, maxval if end else minval, jnp.float32)

        def randint(key, shape, minval, maxval, dtype=int):
            return jnp.full(shape, maxval - 1 if end else minval, jnp.int32)

        monkeypatch.setattr(jax.random, "uniform", uniform)
        monkeypatch.setattr(jax.random, "randint", randint)
        monkeypatch.setattr(jax.random, "bernoulli", lambda key, p=0.5, shape=(): jnp.full(shape, bool(end)))

    return at


def changed(images, **amounts):
    """(N, H, W, ch) in [0, 1]: the images after these augmentations and no other, as one program."""
    augmentations = Config().replace({"brightness": 0, "contrast": 0, "saturation": 0, **amounts}).augment
    channels = images.shape[-1]
    mean, std = np.zeros(channels, np.float32), np.ones(channels, np.float32)
    program = jit(lambda key, images: augment(key, images, augmentations, mean, std))
    return np.asarray(program(jax.random.key(0), images))


def by_pillow(images, enhance):
    return np.stack([np.asarray(enhance(Image.fromarray(image))) for image in images]) / 255


@pytest.mark.parametrize(("end", "by"), [(LOW, -0.3), (HIGH, 0.3)])
def test_brightness_is_added(put, end, by):
    put(end)
    np.testing.assert_allclose(changed(IMAGES, brightness=0.3), np.clip(IMAGES / 255 + by, 0, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("amount", "end", "factor"), [(0.4, LOW, 0.6), (0.4, HIGH, 1.4), (1.0, LOW, 0.0), (1.0, HIGH, 2.0)]
)
def test_contrast_is_that_of_pillow_for_grey_images(put, amount, end, factor):
    put(end)
    grey = IMAGES[..., 0]
    expected = by_pillow(grey, lambda image: ImageEnhance.Contrast(image).enhance(factor))
    found = changed(grey[..., None], contrast=amount)[..., 0]
    # Pillow rounds the mean as well
    np.testing.assert_allclose(found, expected, atol=(1 + 0.5 * abs(1 - factor)) * STEP)


@pytest.mark.parametrize(("end", "row"), [(LOW, [0.3, 0.5]), (HIGH, [0.1, 0.7])])
def test_contrast_scales_each_channel_about_its_own_mean(put, end, row):
    put(end)
    image = np.array([[[[0.2, 0.6, 0.4], [0.6, 0.2, 0.4]]]])
    found = changed((image * 255).astype(np.uint8), contrast=0.5)[0, 0]
    np.testing.assert_allclose(found, [[row[0], row[1], 0.4], [row[1], row[0], 0.4]], atol=1e-6)


@pytest.mark.parametrize(
    ("amount", "end", "factor"), [(0.8, LOW, 0.2), (0.8, HIGH, 1.8), (1.0, LOW, 0.0), (1.0, HIGH, 2.0)]
)
def test_saturation_is_that_of_pillow(put, amount, end, factor):
    put(end)
    expected = by_pillow(IMAGES, lambda image: ImageEnhance.Color(image).enhance(factor))
    np.testing.assert_allclose(changed(IMAGES, saturation=amount), expected, atol=2 * STEP)


@pytest.mark.parametrize("end", [LOW, HIGH])
def test_half_a_turn_of_the_hue_mirrors_a_colour_in_its_grey(put, end):
    put(end)
    colours = np.array([[[[255, 0, 0], [0, 255, 0], [40, 80, 200], [90, 90, 90]]]], np.uint8)
    grey = (colours / 255) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(changed(colours, hue=0.5), np.clip(2 * grey[..., None] - colours / 255, 0, 1), atol=1e-3)


@pytest.mark.parametrize(("end", "turn"), [(LOW, -0.25), (HIGH, 0.25)])
def test_the_hue_turns_the_chroma_plane_of_yiq(put, end, turn):
    put(end)
    muted = np.random.default_rng(1).integers(90, 160, (1, 4, 4, 3), dtype=np.uint8)  # nothing is clipped
    found = changed(muted, hue=0.25)
    for before, after in zip(muted.reshape(-1, 3) / 255, found.reshape(-1, 3), strict=True):
        (y, i, q), (y_after, *chroma) = colorsys.rgb_to_yiq(*before), colorsys.rgb_to_yiq(*after)
        wanted = complex(i, q) * np.exp(2j * np.pi * turn)
        assert chroma == pytest.approx([wanted.real, wanted.imag], abs=0.012), "colorsys rounds its coefficients"
        assert y_after == pytest.approx(y, abs=0.004)


def test_greyscale_is_that_of_pillow_or_nothing(put):
    put(HIGH)
    expected = by_pillow(IMAGES, lambda image: image.convert("L").convert("RGB"))
    np.testing.assert_allclose(changed(IMAGES, greyscale=0.2), expected, atol=STEP)
    put(LOW)
    np.testing.assert_allclose(changed(IMAGES, greyscale=0.2), IMAGES / 255, atol=1e-6)


def test_a_flip_is_that_of_pillow_or_nothing(put):
    put(HIGH)
    mirrored = by_pillow(IMAGES, lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    np.testing.assert_allclose(changed(IMAGES, flip=True), mirrored, atol=1e-6)
    put(LOW)
    np.testing.assert_allclose(changed(IMAGES, flip=True), IMAGES / 255, atol=1e-6)


@pytest.mark.parametrize(("end", "by"), [(LOW, -2), (HIGH, 2)])
def test_a_shift_moves_every_pixel_down_and_right_and_repeats_the_edge(put, end, by):
    put(end)
    # Pillow asks where a pixel comes from; what comes from outside is black there and the edge here
    moved = by_pillow(IMAGES, lambda image: image.transform(image.size, Image.Transform.AFFINE, (1, 0, -by, 0, 1, -by)))
    found = changed(IMAGES, shift=2)
    inside = np.s_[:, max(by, 0) : 12 + min(by, 0), max(by, 0) : 10 + min(by, 0)]
    np.testing.assert_allclose(found[inside], moved[inside], atol=1e-6)
    edge = 0 if by > 0 else -1
    np.testing.assert_allclose(found[:, edge, edge], IMAGES[:, edge, edge] / 255, atol=1e-6)
    np.testing.assert_allclose(found[:, edge], found[:, 1 if by > 0 else -2], atol=1e-6)


@pytest.mark.parametrize(
    ("end", "height", "width"),
    [
        (LOW, (0, np.sqrt(0.25 / 0.75)), (0, np.sqrt(0.25 * 0.75))),  # a quarter of the area, upright, upper left
        (HIGH, (1 - np.sqrt(0.75), np.sqrt(0.75)), (0, 1)),  # all of the area, as wide as the image, at the bottom
    ],
)
def test_a_crop_enlarges_a_rectangle_of_the_image(put, end, height, width):
    put(end)
    down, right = (np.arange(20) + 0.5) / 20, (np.arange(16) + 0.5) / 16
    ramps = np.zeros((1, 20, 16, 3), np.uint8)
    ramps[0, ..., 0] = np.round(255 * down)[:, None]
    ramps[0, ..., 1] = np.round(255 * right)[None, :]
    found = changed(ramps, crop=0.25)[0]
    for channel, places, (start, share) in ((0, down, height), (1, right, width)):
        expected = np.interp(start + places * share, places, places)  # beyond the outermost pixels their own value
        expected = np.broadcast_to(expected[:, None] if channel == 0 else expected[None, :], (20, 16))
        np.testing.assert_allclose(found[..., channel], expected, atol=STEP)


@pytest.mark.parametrize(("end", "sigma"), [(HIGH, 1.2), (LOW, None)])
def test_a_blur_is_that_of_scipy_or_nothing(put, end, sigma):
    put(end)
    images = np.random.default_rng(3).integers(0, 256, (1, 60, 12, 1), dtype=np.uint8)  # a fiftieth of 60 pixels: 1.2
    expected = images[0, ..., 0] / 255
    if sigma is not None:
        expected = ndimage.gaussian_filter(expected, sigma, mode="nearest", truncate=3 / sigma)
    np.testing.assert_allclose(changed(images, blur=0.5)[0, ..., 0], expected, atol=1e-5)


def test_values_come_back_from_beyond_the_range_before_they_are_clipped(put):
    put(HIGH)
    image = np.full((1, 2, 2, 1), 204, np.uint8)  # 0.8: brightness 0.5 makes it 1.3, and contrast about a mean of 1.3
    image[0, 0, 0, 0] = 51
    expected = np.clip(0.65 + 0.5 + 2 * (image / 255 - 0.65), 0, 1)
    np.testing.assert_allclose(changed(image, brightness=0.5, contrast=1.0), expected, atol=1e-6)


def test_cutout_hides_a_square_in_the_mean_colour_wherever_it_lies():
    size = 4
    cut = changed(np.repeat(IMAGES, 200, axis=0), cutout=size)
    whole = np.repeat(IMAGES, 200, axis=0) / 255
    hidden = ~np.isclose(cut, whole, atol=1e-6).all(axis=-1)
    mean = np.broadcast_to(whole.mean(axis=(1, 2), keepdims=True), whole.shape)
    np.testing.assert_allclose(cut[hidden], mean[hidden], atol=1e-5)
    rows, columns = hidden.any(axis=2), hidden.any(axis=1)
    assert rows.sum(axis=1).max() == columns.sum(axis=1).max() == size
    assert {int(first) for first in rows.argmax(axis=1)} == set(range(12)), "reaches over every edge"


def test_an_alternating_flip_shows_each_image_both_ways_in_two_passes():
    images = np.tile(IMAGES[:1], (500, 1, 1, 1))
    augmentations = (
        Config()
        .replace(
            {
                "brightness": 0,
                "contrast": 0,
                "saturation": 0,
                "flip": True,
                "alternate_flip": True,
                "sampling": "balanced",
            }
        )
        .augment
    )
    mean, std = np.zeros(3, np.float32), np.ones(3, np.float32)
    program = jit(lambda key, *drawn: augment(key, images, augmentations, mean, std, *drawn))

    def mirrored(seed, passes):
        drawn = Drawn(np.arange(500, dtype=np.int32), np.full((500,), passes, np.int32))
        shown = np.asarray(program(jax.random.key(seed), drawn))
        return np.isclose(shown, images[:, :, ::-1] / 255).all(axis=(1, 2, 3))

    first = mirrored(0, 0)
    assert 200 < first.sum() < 300, "half of them the first time"
    np.testing.assert_array_equal(mirrored(1, 1), ~first)
    np.testing.assert_array_equal(mirrored(2, 2), first)
    alone = np.asarray(program(jax.random.key(0)))
    assert 200 < np.isclose(alone, images[:, :, ::-1] / 255).all(axis=(1, 2, 3)).sum() < 300, "else by chance"
