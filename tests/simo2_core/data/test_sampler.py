from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from simo2_core.compiling import jit
from simo2_core.data.sampler import Draw, draw_batch

COUNTS = np.array([5, 1, 40, 7, 300], np.int32)
OFFSETS = np.concatenate([[0], np.cumsum(COUNTS)[:-1]]).astype(np.int32)
PLACES = OFFSETS, COUNTS
KEY = jax.random.key(7)


@partial(jit, static_argnums=(1, 2))
def draws(steps: jax.Array, classes: int, k: int) -> tuple[jax.Array, jax.Array]:
    one = partial(draw_batch, classes_per_batch=classes, samples_per_class=k)
    places = [jnp.asarray(each) for each in PLACES]
    return jax.vmap(lambda step: one(KEY, step, *places)[:2])(steps)


def test_exactly_k_of_each_class_drawn_and_no_class_twice() -> None:
    rows, classes = map(np.asarray, draws(np.arange(200), 3, 6))
    assert rows.shape == (200, 18)
    assert classes.shape == (200, 3)
    of_row = np.searchsorted(OFFSETS, rows, side="right") - 1
    np.testing.assert_array_equal(of_row, np.repeat(classes, 6, axis=1))
    assert all(len(set(batch)) == 3 for batch in classes.tolist())


def test_rows_are_uniform_within_a_class_and_classes_are_uniform() -> None:
    rows, classes = map(np.asarray, draws(np.arange(4000), 2, 8))
    assert stats.chisquare(np.bincount(classes.ravel(), minlength=5)).pvalue > 1e-3
    for c in (0, 2, 4):
        seen = rows[(rows >= OFFSETS[c]) & (rows < OFFSETS[c] + COUNTS[c])] - OFFSETS[c]
        assert stats.chisquare(np.bincount(seen, minlength=COUNTS[c])).pvalue > 1e-3


def test_draws_with_replacement_are_those_of_every_run_so_far() -> None:
    drawn = jit(partial(draw_batch, classes_per_batch=3, samples_per_class=4))(KEY, 11, *PLACES)
    assert drawn.rows.tolist() == [339, 186, 309, 143, 5, 5, 5, 5, 2, 3, 2, 4]
    assert drawn.classes.tolist() == [4, 1, 0]


def test_a_batch_depends_on_key_and_step_alone() -> None:
    plain = partial(draw_batch, classes_per_batch=5, samples_per_class=4)
    draw = jit(plain)
    at = [np.asarray(draw(KEY, step, *PLACES).rows) for step in (11, 11, 12)]
    together, _ = draws(np.arange(11, 13), 5, 4)
    np.testing.assert_array_equal(at[0], at[1])
    np.testing.assert_array_equal(at[1:], together)
    np.testing.assert_array_equal(at[0], plain(KEY, 11, *map(jnp.asarray, PLACES)).rows, "compiled or not")
    assert (at[0] != at[2]).any()
    other = np.asarray(draw(jax.random.key(8), 11, *PLACES).rows)
    assert (other != at[0]).any()


@partial(jit, static_argnums=(1, 2, 3, 4))
def shuffled_draws(steps: jax.Array, classes: int, k: int, sampling: str, counts: tuple[int, ...]) -> Draw:
    places = jnp.asarray(np.cumsum((100, *counts))[:-1], jnp.int32), jnp.asarray(counts, jnp.int32)
    one = partial(draw_batch, classes_per_batch=classes, samples_per_class=k, sampling=sampling)
    return jax.vmap(lambda step: one(KEY, step, *places))(steps)


def owners_of(rows: np.ndarray, counts: tuple[int, ...]) -> np.ndarray:
    """The class of each row, where the first class begins at row 100."""
    return np.searchsorted(np.cumsum((100, *counts)), rows, side="right") - 1


@pytest.mark.parametrize(
    ("classes", "k", "counts"),
    [(5, 4, (5, 1, 40, 7, 30)), (3, 6, (5, 4, 12, 7, 9)), (4, 3, (1,) * 9)],
)
def test_balanced_all_images_of_a_class_come_before_any_comes_again(
    classes: int, k: int, counts: tuple[int, ...]
) -> None:
    rows, drawn, passes = map(np.asarray, shuffled_draws(np.arange(600), classes, k, "balanced", counts))
    assert all(len(set(batch)) == classes for batch in drawn.tolist()), "a class at most once in a batch"
    np.testing.assert_array_equal(owners_of(rows, counts), np.repeat(drawn, k, axis=1))
    came = np.bincount(drawn.ravel(), minlength=len(counts))
    assert came.max() - came.min() <= 1, "every class as often as every other"
    offsets = np.cumsum((100, *counts))[:-1]
    for c, count in enumerate(counts):
        own = owners_of(rows, counts) == c
        times = came[c] * k
        sequence = rows[own] - offsets[c]
        whole = sequence[: times // count * count].reshape(-1, count)
        np.testing.assert_array_equal(np.sort(whole, axis=1), np.tile(np.arange(count), (len(whole), 1)))
        np.testing.assert_array_equal(passes[own], np.arange(times) // count)
        assert count < 9 or len({tuple(order) for order in whole.tolist()}) == len(whole), "shuffled anew"


@pytest.mark.parametrize(("classes", "k", "counts"), [(5, 4, (5, 1, 40, 7, 30)), (2, 3, (2, 1))])
def test_proportional_all_images_come_before_any_comes_again(classes: int, k: int, counts: tuple[int, ...]) -> None:
    rows, drawn, passes = map(np.asarray, shuffled_draws(np.arange(300), classes, k, "proportional", counts))
    assert rows.shape == drawn.shape == (300, classes * k)
    np.testing.assert_array_equal(owners_of(rows, counts), drawn)
    images = sum(counts)
    whole = rows.ravel()[: rows.size // images * images].reshape(-1, images)
    np.testing.assert_array_equal(np.sort(whole, axis=1), np.tile(100 + np.arange(images), (len(whole), 1)))
    np.testing.assert_array_equal(passes.ravel(), np.arange(rows.size) // images)


@pytest.mark.parametrize("sampling", ["balanced", "proportional"])
def test_a_shuffled_batch_depends_on_key_and_step_alone(sampling: str) -> None:
    draw = jit(partial(draw_batch, classes_per_batch=3, samples_per_class=4, sampling=sampling))
    together = shuffled_draws(np.arange(1_000_000, 1_000_003), 3, 4, sampling, (5, 4, 12, 7, 9))
    counts = np.asarray((5, 4, 12, 7, 9), np.int32)
    offsets = np.int32(np.cumsum(counts) - counts + 100)
    for index in range(3):
        alone = draw(KEY, 1_000_000 + index, offsets, counts)
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one, all_of_them[index])
    other = draw(jax.random.key(8), 1_000_000, offsets, counts)
    assert (np.asarray(other.rows) != np.asarray(together.rows[0])).any()


def test_the_rounds_of_classes_put_others_together_each_time() -> None:
    _, drawn, _ = map(np.asarray, shuffled_draws(np.arange(3000), 2, 2, "balanced", (4,) * 7))
    pairs = np.bincount(7 * drawn.min(axis=1) + drawn.max(axis=1), minlength=49).reshape(7, 7)
    assert stats.chisquare(pairs[np.triu_indices(7, 1)]).pvalue > 1e-3


@pytest.mark.parametrize("count", [2**24 + 1, 2**30])
def test_every_row_of_a_huge_class_can_be_reached(count: int) -> None:
    draw = jit(partial(draw_batch, classes_per_batch=2, samples_per_class=4096))
    found = np.asarray(draw(KEY, 0, np.zeros(2, np.int32), np.full(2, count, np.int32)).rows)
    assert found.min() >= 0
    assert found.max() < count
    assert (found % 2 == 1).any(), "a float32 draw gives even rows only, this far out"


def test_no_bits_are_shared_with_a_stream_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[jax.Array] = []
    split = jax.random.split

    def splitting(key: jax.Array, n: int = 2) -> jax.Array:
        used.append(split(key, n))
        return used[-1]

    @jit
    def keys_of(step: int) -> tuple[list[jax.Array], list[jax.Array]]:
        used.clear()
        draw_batch(KEY, step, *map(jnp.asarray, PLACES), classes_per_batch=2, samples_per_class=2)
        callers = [jax.random.fold_in(jax.random.fold_in(KEY, stream), step) for stream in (0, 1, 2)]
        return [jax.random.key_data(keys) for keys in used], [jax.random.key_data(key) for key in callers]

    monkeypatch.setattr(jax.random, "split", splitting)
    drawn, callers = set(), set()
    for step in (0, 1):
        keys, own = keys_of(step)
        assert keys
        drawn |= {tuple(row) for pair in keys for row in pair.tolist()}
        callers |= {tuple(key.tolist()) for key in own}
    assert drawn.isdisjoint(callers)
