"""Augmentation on the device, a batch at a time, and the normalisation that ends it.

Images arrive as uint8 and stay so until here: dividing inside the step moves a quarter of the memory.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import Array

from simo2_core.config import AugmentConfig

_LUMA = (0.299, 0.587, 0.114)
"""Grey of an RGB pixel, ITU-R BT.601."""
_YIQ = (_LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
"""Luma and two axes of chroma of an RGB pixel, NTSC 1953."""


def normalise(images: Array, mean: Array, std: Array) -> Array:
    """uint8 (N, H, W, ch) to float32 with the data set's own `mean` and `std`, (ch,) each in [0, 1]."""
    return _standardise(images.astype(jnp.float32) / 255, mean, std)


def augment(key: Array, images: Array, config: AugmentConfig, mean: Array, std: Array) -> Array:
    """Changes each image at random, then normalises.

    Args:
        key: a typed key; every image gets draws of its own from it.
        images: (N, H, W, ch) uint8.
        config: how much; an amount of 0 costs nothing.

    Returns: (N, H, W, ch) float32; values are clipped to [0, 1] before they are normalised.
    """
    shift_key, flip_key, brightness_key, contrast_key, saturation_key = jax.random.split(key, 5)
    if config.shift:
        images = shift(images, jax.random.randint(shift_key, (images.shape[0], 2), -config.shift, config.shift + 1))
    crop_key, hue_key, grey_key, blur_key = (jax.random.fold_in(key, stream) for stream in range(5, 9))
    x = images.astype(jnp.float32) / 255
    if config.crop < 1:
        x = resized_crop(crop_key, x, config.crop)
    if config.flip:
        x = flip(x, jax.random.bernoulli(flip_key, 0.5, x.shape[:1]))
    if config.brightness:
        x = x + _each(brightness_key, x, -config.brightness, config.brightness)
    if config.contrast:
        x = contrast(x, _each(contrast_key, x, 1 - config.contrast, 1 + config.contrast))
    if config.saturation and x.shape[-1] == 3:
        x = saturation(x, _each(saturation_key, x, 1 - config.saturation, 1 + config.saturation))
    if config.hue and x.shape[-1] == 3:
        x = hue(x, _each(hue_key, x, -config.hue, config.hue))
    x = jnp.clip(x, 0, 1)
    if config.greyscale and x.shape[-1] == 3:
        lost = jax.random.bernoulli(grey_key, config.greyscale, (x.shape[0], 1, 1, 1))
        x = saturation(x, jnp.where(lost, 0.0, 1.0))
    if config.blur:
        which_key, much_key = jax.random.split(blur_key)
        most = max(0.5, x.shape[1] / 50)
        sigma = jax.random.uniform(much_key, x.shape[:1], minval=0.1, maxval=most)
        blurred = jax.random.bernoulli(which_key, config.blur, (x.shape[0], 1, 1, 1))
        x = jnp.where(blurred, blur(x, sigma, radius=math.ceil(2 * most)), x)
    return _standardise(x, mean, std)


def resized_crop(key: Array, x: Array, least: float) -> Array:
    """Of each image a random rectangle, enlarged to the whole: `least` to 1 of the area, sides 3:4 to 4:3.

    Source: Szegedy et al., "Going Deeper with Convolutions", arXiv 1409.4842, section 6.
    """
    n, height, width, _ = x.shape
    area_key, ratio_key, place_key = jax.random.split(key, 3)
    area = jax.random.uniform(area_key, (n, 1), minval=least, maxval=1.0)
    ratio = jnp.exp(jax.random.uniform(ratio_key, (n, 1), minval=-math.log(4 / 3), maxval=math.log(4 / 3)))
    share = jnp.minimum(jnp.concatenate([jnp.sqrt(area / ratio), jnp.sqrt(area * ratio)], axis=1), 1)
    corner = jax.random.uniform(place_key, (n, 2)) * (1 - share) * jnp.asarray([[height, width]], jnp.float32)

    def enlarge(image: Array, share: Array, corner: Array) -> Array:
        scaled: Array = jax.image.scale_and_translate(
            image, image.shape, (0, 1), 1 / share, -corner / share, method="linear", antialias=False
        )
        return scaled

    cropped: Array = jax.vmap(enlarge)(x, share, corner)
    return cropped


def shift(images: Array, by: Array) -> Array:
    """Moves image n by `by[n]` = (down, right) pixels, (N, 2) int; the edge is repeated into what comes free."""
    _, height, width, _ = images.shape
    rows = jnp.clip(jnp.arange(height)[None, :] - by[:, :1], 0, height - 1)
    columns = jnp.clip(jnp.arange(width)[None, :] - by[:, 1:], 0, width - 1)
    images = jnp.take_along_axis(images, rows[:, :, None, None], axis=1)
    return jnp.take_along_axis(images, columns[:, None, :, None], axis=2)


def flip(x: Array, which: Array) -> Array:
    """Mirrors left to right the images for which `which`, (N,) bool, is true."""
    return jnp.where(which[:, None, None, None], x[:, :, ::-1], x)


def contrast(x: Array, factor: Array) -> Array:
    """Scales each image about its own mean, per channel, by `factor` (N, 1, 1, 1)."""
    middle = x.mean(axis=(1, 2), keepdims=True)
    return middle + factor * (x - middle)


def saturation(x: Array, factor: Array) -> Array:
    """Scales the distance of RGB pixels from their grey by `factor` (N, 1, 1, 1): 0 is grey, 1 leaves them."""
    grey = (x * jnp.asarray(_LUMA)[None, None, None, :]).sum(axis=-1, keepdims=True)
    return grey + factor * (x - grey)


def hue(x: Array, turn: Array) -> Array:
    """Turns the hue of RGB pixels by `turn` (N, 1, 1, 1) of the circle: the chroma plane of YIQ is rotated."""
    to_yiq = jnp.asarray(_YIQ)
    yiq = jnp.einsum("nhwc,dc->nhwd", x, to_yiq)
    angle = 2 * math.pi * turn[..., 0]
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    y, i, q = yiq[..., 0], yiq[..., 1], yiq[..., 2]
    turned = jnp.stack([y, cosine * i - sine * q, sine * i + cosine * q], axis=-1)
    return jnp.einsum("nhwd,cd->nhwc", turned, jnp.linalg.inv(to_yiq))


def blur(x: Array, sigma: Array, *, radius: int) -> Array:
    """Convolves each image with a Gaussian of standard deviation `sigma` (N,) pixels, cut at `radius`; edges repeat."""
    at = jnp.arange(-radius, radius + 1)
    weights = jnp.exp(-jnp.square(at)[None, :] / (2 * jnp.square(sigma)[:, None]))
    weights = (weights / weights.sum(axis=1, keepdims=True))[:, :, None, None, None]
    for axis in (1, 2):
        size = x.shape[axis]
        padding = [(0, 0)] * x.ndim
        padding[axis] = (radius, radius)
        padded = jnp.pad(x, padding, mode="edge")
        taps = [jax.lax.slice_in_dim(padded, tap, tap + size, axis=axis) for tap in range(2 * radius + 1)]
        x = sum((weights[:, tap] * moved for tap, moved in enumerate(taps)), jnp.zeros_like(x))
    return x


def _each(key: Array, x: Array, low: float, high: float) -> Array:
    return jax.random.uniform(key, (x.shape[0], 1, 1, 1), minval=low, maxval=high)


def _standardise(x: Array, mean: Array, std: Array) -> Array:
    return (x - mean[None, None, None, :]) / std[None, None, None, :]
