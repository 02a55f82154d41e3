"""Augmentation on the device, a batch at a time, and the normalisation that ends it.

Images arrive as uint8 and stay so until here: dividing inside the step moves a quarter of the memory.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from simo2_core.config import AugmentConfig

_LUMA = (0.299, 0.587, 0.114)
"""Grey of an RGB pixel, ITU-R BT.601."""


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
    x = images.astype(jnp.float32) / 255
    if config.flip:
        x = flip(x, jax.random.bernoulli(flip_key, 0.5, x.shape[:1]))
    if config.brightness:
        x = x + _each(brightness_key, x, -config.brightness, config.brightness)
    if config.contrast:
        x = contrast(x, _each(contrast_key, x, 1 - config.contrast, 1 + config.contrast))
    if config.saturation and x.shape[-1] == 3:
        x = saturation(x, _each(saturation_key, x, 1 - config.saturation, 1 + config.saturation))
    return _standardise(jnp.clip(x, 0, 1), mean, std)


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


def _each(key: Array, x: Array, low: float, high: float) -> Array:
    return jax.random.uniform(key, (x.shape[0], 1, 1, 1), minval=low, maxval=high)


def _standardise(x: Array, mean: Array, std: Array) -> Array:
    return (x - mean[None, None, None, :]) / std[None, None, None, :]
