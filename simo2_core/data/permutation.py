"""Permutations of which any one place can be asked for alone, so that a shuffled pass needs no memory and no cursor.

Source: Hoang, Morris & Rogaway, "An Enciphering Scheme Based on a Card Shuffle", arXiv 1208.1176 (swap-or-not).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

ROUNDS = 48
"""Each round leaves every pair of places to chance once more: two to the minus 24 is far below what a test can see."""

_GOLDEN, _SECOND = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77)


def shuffled(place: Array, size: Array, seeds: Array) -> Array:
    """Where `place` goes in a random permutation of `size` places.

    Args:
        place: (n,) int32, each in [0, size).
        size: (n,) int32, at least 1 each.
        seeds: (n, 2) uint32; places with the same seeds and size belong to one permutation.

    Returns: (n,) int32 in [0, size); the same bits on every device.
    """
    n, first, second = size.astype(jnp.uint32), seeds[:, 0], seeds[:, 1]

    def swap_or_not(turn: Array, i: Array) -> Array:
        turn = jnp.asarray(turn, jnp.uint32)
        pivot = mixed(first + turn * _GOLDEN) % n
        partner = jnp.where(i <= pivot, pivot - i, pivot + n - i)
        both = jnp.maximum(i, partner)
        return jnp.where(mixed(both * _SECOND + mixed(second + turn * _GOLDEN)) >> 31 == 1, partner, i)

    moved: Array = jax.lax.fori_loop(0, ROUNDS, swap_or_not, place.astype(jnp.uint32))
    return moved.astype(jnp.int32)


def mixed(x: Array) -> Array:
    """(…) uint32 to as many bits that look like chance, one to one: the last mixing of MurmurHash3 by A. Appleby."""
    x = (x ^ (x >> 16)) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * np.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def multiply_and_divide(a: Array, b: Array, m: Array) -> tuple[Array, Array]:
    """`a * b` divided by `m`: (quotient, remainder) as int32, though the product needs more bits than jax has.

    Args:
        a, b, m: int32 that broadcast, none negative, `m` at least 1. A quotient beyond 31 bits loses its upper ones.
    """
    a, b, m = (jnp.asarray(x).astype(jnp.uint32) for x in (a, b, m))
    whole, part = b // m, b % m

    def one_bit(turn: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        quotient, rest = carry
        quotient, rest = _carried(2 * quotient, 2 * rest, m)
        bit = (a >> jnp.asarray(30 - turn, jnp.uint32)) & 1
        return _carried(quotient, rest + bit * part, m)

    zero = jnp.zeros(jnp.broadcast_shapes(a.shape, b.shape, m.shape), jnp.uint32)
    quotient, rest = jax.lax.fori_loop(0, 31, one_bit, (zero, zero))
    return (quotient + a * whole).astype(jnp.int32), rest.astype(jnp.int32)


def _carried(quotient: Array, rest: Array, m: Array) -> tuple[Array, Array]:
    over = rest >= m
    return quotient + over, jnp.where(over, rest - m, rest)
