"""Augmentation on the device, a batch at a time, and the normalisation that ends it.

Images arrive as uint8 and stay so until here: dividing inside the step moves a quarter of the memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array

from simo2_core.augmentations.augmentation import CLIPPED, Augmentation, Drawn
from simo2_core.errors import PartError
from simo2_core.faults import called, shape_of


def normalise(images: Array, mean: Array, std: Array) -> Array:
    """uint8 (N, H, W, ch) to float32 with the data set's own `mean` and `std`, (ch,) each in [0, 1]."""
    return _standardise(images.astype(jnp.float32) / 255, mean, std)


def augment(
    key: Array,
    images: Array,
    augmentations: Sequence[Augmentation],
    mean: Array,
    std: Array,
    drawn: Drawn | None = None,
) -> Array:
    """Changes each image at random, then normalises.

    Args:
        key: a typed key; every image gets draws of its own from it, and so does every augmentation.
        images: (N, H, W, ch) uint8.
        augmentations: run by their `order`; those that are not `active` cost nothing.
        drawn: which images of a run they are; None for images that come once.

    Returns: (N, H, W, ch) float32; values are clipped to [0, 1] before they are normalised.
    """
    colour = images.shape[-1] == 3
    used = [one for one in sorted(augmentations, key=lambda one: one.order) if one.active]
    used = [one for one in used if colour or not one.colour_only]
    for one in used:
        if one.on_bytes:
            images = _apply(one, key, images, drawn)
    x = images.astype(jnp.float32) / 255
    clipped = False
    for one in used:
        if one.on_bytes:
            continue
        if one.order >= CLIPPED and not clipped:
            x, clipped = jnp.clip(x, 0, 1), True
        x = _apply(one, key, x, drawn)
    return _standardise(x if clipped else jnp.clip(x, 0, 1), mean, std)


def _apply(one: Augmentation, key: Array, images: Array, drawn: Drawn | None) -> Array:
    own = one.key(key)
    changed = one.apply(own, images) if drawn is None else one.apply_drawn(own, images, drawn)
    if np.shape(changed) != images.shape or changed.dtype != images.dtype:
        who = called("augmentation", one)
        raise PartError(f"{who} made {shape_of(changed)} of {shape_of(images)} images; it must keep shape and dtype.")
    return changed


def _standardise(x: Array, mean: Array, std: Array) -> Array:
    return (x - mean[None, None, None, :]) / std[None, None, None, :]
