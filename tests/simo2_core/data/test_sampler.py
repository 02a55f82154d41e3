from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from simo2_core.compiling import jit
from simo2_core.data.sampler import draw_batch

COUNTS = np.array([5, 1, 40, 7, 300], np.int32)
OFFSETS = np.concatenate([[0], np.cumsum(COUNTS)[:-1]]).astype(np.int32)
PLACES = jnp.asarray(OFFSETS), jnp.asarray(COUNTS)
KEY = jax.random.key(7)


@partial(jit, static_argnums=(1, 2))
def draws(steps: jax.Array, classes: int, k: int) -> tuple[jax.Array, jax.Array]:
    one = partial(draw_batch, classes_per_batch=classes, samples_per_class=k)
    return jax.vmap(lambda step: one(KEY, step, *PLACES))(steps)


def test_exactly_k_of_each_class_drawn_and_no_class_twice() -> None:
    rows, classes = map(np.asarray, draws(jnp.arange(200), 3, 6))
    assert rows.shape == (200, 18)
    assert classes.shape == (200, 3)
    of_row = np.searchsorted(OFFSETS, rows, side="right") - 1
    np.testing.assert_array_equal(of_row, np.repeat(classes, 6, axis=1))
    assert all(len(set(batch)) == 3 for batch in classes.tolist())


def test_rows_are_uniform_within_a_class_and_classes_are_uniform() -> None:
    rows, classes = map(np.asarray, draws(jnp.arange(4000), 2, 8))
    assert stats.chisquare(np.bincount(classes.ravel(), minlength=5)).pvalue > 1e-3
    for c in (0, 2, 4):
        seen = rows[(rows >= OFFSETS[c]) & (rows < OFFSETS[c] + COUNTS[c])] - OFFSETS[c]
        assert stats.chisquare(np.bincount(seen, minlength=COUNTS[c])).pvalue > 1e-3


def test_a_batch_depends_on_key_and_step_alone() -> None:
    draw = partial(draw_batch, classes_per_batch=5, samples_per_class=4)
    at = [np.asarray(draw(KEY, step, *PLACES).rows) for step in (11, 11, 12)]
    jitted, _ = draws(jnp.arange(11, 12), 5, 4)
    np.testing.assert_array_equal(at[0], at[1])
    np.testing.assert_array_equal(at[0], np.asarray(jitted)[0])
    assert (at[0] != at[2]).any()
    other = np.asarray(draw(jax.random.key(8), 11, *PLACES).rows)
    assert (other != at[0]).any()


@pytest.mark.parametrize("count", [2**24 + 1, 2**30])
def test_every_row_of_a_huge_class_can_be_reached(count: int) -> None:
    rows = draw_batch(KEY, 0, jnp.zeros(2, jnp.int32), jnp.full(2, count, jnp.int32), classes_per_batch=2,
                      samples_per_class=4096).rows  # fmt: skip
    found = np.asarray(rows)
    assert found.min() >= 0
    assert found.max() < count
    assert (found % 2 == 1).any(), "a float32 draw gives even rows only, this far out"


def test_no_bits_are_shared_with_a_stream_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[jax.Array] = []
    split = jax.random.split

    def splitting(key: jax.Array, n: int = 2) -> jax.Array:
        used.append(split(key, n))
        return used[-1]

    monkeypatch.setattr(jax.random, "split", splitting)
    for step in (0, 1):
        draw_batch(KEY, step, *PLACES, classes_per_batch=2, samples_per_class=2)
    drawn = {tuple(row) for keys in used for row in np.asarray(jax.random.key_data(keys)).tolist()}
    callers = [jax.random.fold_in(jax.random.fold_in(KEY, stream), step) for stream in (0, 1, 2) for step in (0, 1)]
    assert len(used) >= 2
    assert drawn.isdisjoint(tuple(np.asarray(jax.random.key_data(key)).tolist()) for key in callers)
