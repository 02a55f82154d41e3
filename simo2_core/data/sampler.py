"""Class-balanced batches as a pure function of (key, step): resuming is arithmetic, not a saved cursor."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

_STREAM = 0x5A3B
"""split(fold_in(key, 1)) and fold_in(fold_in(key, 1), 0 or 1) are the same keys: without a stream of its own the
batch of step 1 would share its bits with the caller's stream 1."""


class Draw(NamedTuple):
    """Which images make a batch."""

    rows: Array
    """(classes_per_batch * samples_per_class,) int32 rows of the class-sorted images, grouped by class."""
    classes: Array
    """(classes_per_batch,) int32, each class at most once."""


def draw_batch(
    key: Array, step: Array | int, offsets: Array, counts: Array, *, classes_per_batch: int, samples_per_class: int
) -> Draw:
    """Draws the batch of `step`: classes without replacement, and images of each uniformly, with replacement.

    The same bits on the host and on every device, jitted or not.

    Args:
        key: a typed key; folded with `step`, so it serves the whole run. Draws that a caller makes of its own, from
            the same key folded with a small number, stay independent of these.
        offsets: (C,) int32 first row of each class.
        counts: (C,) int32 rows of each class, at least 1 each.
    """
    class_key, row_key = jax.random.split(jax.random.fold_in(jax.random.fold_in(key, _STREAM), step))
    classes = jax.random.permutation(class_key, counts.shape[0])[:classes_per_batch].astype(jnp.int32)
    # integers, not floor(u * count): a float32 u cannot reach every row of a class with more than 2^24
    within = jax.random.randint(
        row_key, (classes_per_batch, samples_per_class), 0, counts[classes][:, None].astype(jnp.int32), jnp.int32
    )
    rows = offsets[classes][:, None].astype(jnp.int32) + within
    return Draw(rows.reshape(-1), classes)
