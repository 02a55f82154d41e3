from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simo2_core.compiling import jit
from simo2_core.data.permutation import multiply_and_divide, shuffled

permute, divide = jit(shuffled), jit(multiply_and_divide)


def permutation(size: int, seeds: tuple[int, int]) -> np.ndarray:
    """All places of one permutation."""
    repeated = jnp.tile(jnp.asarray([seeds], jnp.uint32), (size, 1))
    return np.asarray(permute(jnp.arange(size, dtype=jnp.int32), jnp.full((size,), size, jnp.int32), repeated))


@pytest.mark.parametrize("size", [1, 2, 3, 10, 47, 1000])
def test_every_place_is_taken_once(size: int) -> None:
    for seeds in ((0, 0), (1, 2), (2**32 - 1, 12345)):
        np.testing.assert_array_equal(np.sort(permutation(size, seeds)), np.arange(size))


def test_a_place_goes_anywhere_alike_and_apart_from_its_neighbour() -> None:
    seeds = jax.random.bits(jax.random.key(0), (20_000, 2), jnp.uint32)
    size = jnp.full((20_000,), 12, jnp.int32)
    first, second = (np.asarray(permute(jnp.full((20_000,), place, jnp.int32), size, seeds)) for place in (0, 1))
    assert stats.chisquare(np.bincount(first, minlength=12)).pvalue > 1e-3
    assert stats.chisquare(np.bincount((second - first) % 12, minlength=12)[1:]).pvalue > 1e-3


def test_the_largest_sizes_fit() -> None:
    size = 2**31 - 1
    places = jnp.asarray([0, 1, size - 2, size - 1], jnp.int32)
    moved = permute(places, jnp.full((4,), size, jnp.int32), jnp.tile(jnp.asarray([[3, 4]], jnp.uint32), (4, 1)))
    assert len(set(np.asarray(moved).tolist())) == 4
    assert np.asarray(moved).min() >= 0


@settings(deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1), st.integers(1, 2**31 - 1))
def test_products_beyond_32_bits_are_divided_exactly(a: int, b: int, m: int) -> None:
    quotient, rest = (int(x) for x in divide(jnp.int32(a), jnp.int32(b), jnp.int32(m)))
    exact = int(Fraction(a * b, m).__floor__())
    assert rest == a * b % m
    assert quotient % 2**31 == exact % 2**31
