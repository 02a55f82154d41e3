"""Batches as a pure function of (key, step): resuming is arithmetic, not a saved cursor."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from simo2_core.config import BALANCED, PROPORTIONAL, WITH_REPLACEMENT
from simo2_core.data.permutation import multiply_and_divide, shuffled

_STREAM = 0x5A3B
"""split(fold_in(key, 1)) and fold_in(fold_in(key, 1), 0 or 1) are the same keys: without a stream of its own the
batch of step 1 would share its bits with the caller's stream 1."""


_PASSES = 2**31 - 1
"""What the key of shuffled passes is folded with: no step of a run has this number."""


class Draw(NamedTuple):
    """Which images make a batch."""

    rows: Array
    """(classes_per_batch * samples_per_class,) int32 rows of the class-sorted images, grouped by class."""
    classes: Array
    """(classes_per_batch,) int32, each class at most once; in proportion one for each image."""
    passes: Array
    """How often each of `rows` came before, as int32; 0 where nobody counts."""


def draw_batch(
    key: Array,
    step: Array | int,
    offsets: Array,
    counts: Array,
    *,
    classes_per_batch: int,
    samples_per_class: int,
    sampling: str = WITH_REPLACEMENT,
) -> Draw:
    """Draws the batch of `step`; the same bits on the host and on every device, jitted or not.

    Args:
        key: a typed key; folded with `step`, so it serves the whole run. Draws that a caller makes of its own, from
            the same key folded with a small number, stay independent of these.
        offsets: (C,) int32 first row of each class.
        counts: (C,) int32 rows of each class, at least 1 each.
        sampling: one of `SAMPLINGS`. Balanced, every class comes as often as every other, and all images of a class
            come once before any comes again. In proportion, all images come once before any comes again.
    """
    key, shape = jax.random.fold_in(key, _STREAM), (classes_per_batch, samples_per_class)
    step = jnp.asarray(step, jnp.int32)
    if sampling == PROPORTIONAL:
        return _of_all(jax.random.fold_in(key, _PASSES), step, offsets, counts, math.prod(shape))
    if sampling == BALANCED:
        return _of_each_class(jax.random.fold_in(key, _PASSES), step, offsets, counts, shape)
    class_key, row_key = jax.random.split(jax.random.fold_in(key, step))
    classes = jax.random.permutation(class_key, counts.shape[0])[:classes_per_batch].astype(jnp.int32)
    # integers, not floor(u * count): a float32 u cannot reach every row of a class with more than 2^24
    within = jax.random.randint(row_key, shape, 0, counts[classes][:, None].astype(jnp.int32), jnp.int32)
    rows = (offsets[classes][:, None].astype(jnp.int32) + within).reshape(-1)
    return Draw(rows, classes, jnp.zeros_like(rows))


def _of_all(key: Array, step: Array, offsets: Array, counts: Array, size: int) -> Draw:
    """One image after another of a shuffled pass over all images, then of the next."""
    images = counts.sum().astype(jnp.int32)
    passes, begin = multiply_and_divide(step, jnp.int32(size), images)
    place = begin + jnp.arange(size, dtype=jnp.int32)
    passes, place = passes + place // images, place % images
    chosen = shuffled(place, jnp.broadcast_to(images, place.shape), _seeds(key, jnp.zeros_like(passes), passes))
    ends = jnp.cumsum(counts).astype(jnp.int32)
    classes = jnp.searchsorted(ends, chosen, side="right").astype(jnp.int32)
    rows = offsets[classes].astype(jnp.int32) + chosen - (ends - counts.astype(jnp.int32))[classes]
    return Draw(rows, classes, passes)


def _of_each_class(key: Array, step: Array, offsets: Array, counts: Array, shape: tuple[int, int]) -> Draw:
    """Classes in shuffled rounds, and of each class the next k images of its own shuffled passes.

    A round is as many batches as fit into C classes. The classes that it leaves over are those of a window that moves
    on from round to round, so how often a class came before is a division, not a count.
    """
    (drawn, k), every = shape, counts.shape[0]
    in_round = every // drawn
    left_over = every - in_round * drawn
    rounds, place = step // in_round, step % in_round * drawn + jnp.arange(drawn, dtype=jnp.int32)
    wraps, begin = multiply_and_divide(rounds, jnp.int32(left_over), jnp.int32(every))
    size = jnp.full((drawn,), every - left_over, jnp.int32)
    round_seeds = _seeds(key, jnp.full((drawn,), every, jnp.int32), jnp.broadcast_to(rounds, (drawn,)))
    place = shuffled(place, size, round_seeds)
    # as `(begin + left_over + place) % every`, which 32 bits could not always hold
    start = (begin + left_over) % every
    classes = jnp.where(place < every - start, place + start, place - (every - start))
    before = rounds - wraps - (classes < begin)
    counts_c = counts[classes].astype(jnp.int32)
    passes, begin_c = multiply_and_divide(before, jnp.int32(k), counts_c)
    places_ck = begin_c[:, None] + jnp.arange(k, dtype=jnp.int32)[None, :]
    passes_ck, places_ck = passes[:, None] + places_ck // counts_c[:, None], places_ck % counts_c[:, None]
    owner, passes, size = jnp.repeat(classes, k), passes_ck.reshape(-1), jnp.repeat(counts_c, k)
    rows = offsets[owner].astype(jnp.int32) + shuffled(places_ck.reshape(-1), size, _seeds(key, owner, passes))
    return Draw(rows, classes, passes)


def _seeds(key: Array, owner: Array, passes: Array) -> Array:
    """(n, 2) uint32 for the permutation of each pass of each owner, (n,) int32 both."""

    def one(owner: Array, passes: Array) -> Array:
        return jax.random.bits(jax.random.fold_in(jax.random.fold_in(key, owner), passes), (2,), jnp.uint32)

    seeds: Array = jax.vmap(one)(owner, passes)
    return seeds
