import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simo2_core import loss as loss_module
from simo2_core.compiling import jit
from simo2_core.loss import Simo2Loss, simo2_loss

GOLDEN = np.load(Path(__file__).parent / "golden" / "simo2_loss.npz")
CASES = sorted({name.split("/")[0] for name in GOLDEN})

Rows = NDArray[np.float64]


def simo2_by_pairs(z_ckd: Rows, orth_lean: float, epsilon: float) -> tuple[float, float, float, float]:
    """The definition, a pair at a time."""

    def cost(a: Rows, b: Rows, y: float) -> float:
        r = np.dot(a, b) ** 2 / (epsilon + np.sum((a - b) ** 2))
        return float((1 + r) ** (1 - 2 * y))

    classes, k, _ = z_ckd.shape
    means = z_ckd.mean(axis=1)
    same = sum(cost(z_ckd[c, i], z_ckd[c, j], 1) for c in range(classes) for i in range(k) for j in range(i + 1, k))
    mean = sum(cost(means[a], means[b], orth_lean) for a in range(classes) for b in range(a + 1, classes))
    diff = sum(
        cost(z_ckd[a, i], z_ckd[b, i], orth_lean)
        for i in range(k)
        for a in range(classes)
        for b in range(a + 1, classes)
    )
    return same + mean + diff, same, mean, diff


def value_and_gradient(
    z: Rows, dtype: Any, orth_lean: float, epsilon: float, program: Any = None
) -> tuple[Simo2Loss, Rows]:
    """Compiled anew, unless it is a `program` of these settings already."""
    program = program or with_gradient(orth_lean, epsilon)
    (_, loss), gradient = program(jnp.asarray(z, dtype))
    return loss, np.asarray(gradient, np.float64)


def with_gradient(orth_lean: float, epsilon: float) -> Any:
    def total(z_ckd: jax.Array) -> tuple[jax.Array, Simo2Loss]:
        loss = simo2_loss(z_ckd, orth_lean=orth_lean, epsilon=epsilon)
        return loss.total, loss

    return jit(jax.value_and_grad(total, has_aux=True))


@contextmanager
def float64_allowed(allowed: bool) -> Iterator[None]:
    """jax.enable_x64, which jax 0.7 lacks and whose elder newer ones deprecate."""
    jax.config.update("jax_enable_x64", allowed)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", False)


@pytest.mark.optimised
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("dtype", "rtol"), [(jnp.float32, 1e-5), (jnp.float64, 1e-10)])
def test_agrees_with_the_golden_values_and_gradients(case: str, dtype: type, rtol: float) -> None:
    orth_lean, epsilon = map(float, GOLDEN[f"{case}/orth_lean_epsilon"])
    with float64_allowed(dtype == jnp.float64):
        loss, gradient = value_and_gradient(GOLDEN[f"{case}/embeddings"], dtype, orth_lean, epsilon)
        same, mean, diff, total = GOLDEN[f"{case}/same_mean_diff_total"]
        np.testing.assert_allclose([*map(float, loss)], [total, same, mean, diff], rtol=rtol)
    expected = GOLDEN[f"{case}/grad"]
    np.testing.assert_allclose(gradient, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


def _embeddings(seed: int, shape: tuple[int, int, int], spread: float = 1.0) -> Rows:
    draw = np.random.default_rng(seed)
    z = draw.normal(size=shape) * spread + draw.normal(size=shape[-1])
    return np.asarray(z / np.linalg.norm(z, axis=-1, keepdims=True))


SHAPES = st.sampled_from([(2, 2, 2), (4, 3, 5), (3, 4, 2)])  # each new shape is a compilation
CASES_OF_LOOPS = st.sampled_from([((2, 2, 2), 0), ((2, 2, 2), 0.3), ((4, 3, 5), 0.3), ((3, 4, 2), 0.49)])
jitted = jit(simo2_loss, static_argnames="orth_lean")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), CASES_OF_LOOPS, st.sampled_from([1e-3, 1.0]))
def test_agrees_with_a_loop_over_pairs(seed: int, case: tuple[tuple[int, int, int], float], epsilon: float) -> None:
    shape, orth_lean = case
    z = _embeddings(seed, shape)
    found = jitted(jnp.asarray(z, jnp.float32), orth_lean=orth_lean, epsilon=epsilon)
    np.testing.assert_allclose([*map(float, found)], simo2_by_pairs(z, orth_lean, epsilon), rtol=2e-4)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 99), SHAPES)
def test_what_theory_says_of_permutations_and_rotations(seed: int, shape: tuple[int, int, int]) -> None:
    draw = np.random.default_rng(seed)
    z = _embeddings(seed, shape)
    rotation = np.linalg.qr(draw.normal(size=(shape[-1], shape[-1])))[0]
    relabelled = z[draw.permutation(shape[0])]
    shuffled = np.stack([rows[draw.permutation(shape[1])] for rows in z])

    def loss(rows: Rows) -> NDArray[np.float64]:
        return np.array([*map(float, jitted(jnp.asarray(rows, jnp.float32)))])

    np.testing.assert_allclose(loss(relabelled), loss(z), rtol=1e-3)
    np.testing.assert_allclose(loss(z @ rotation), loss(z), rtol=1e-3)
    np.testing.assert_allclose(loss(-z), loss(z), rtol=1e-5)
    np.testing.assert_allclose(loss(shuffled)[1:3], loss(z)[1:3], rtol=1e-3)  # only diff pairs by slot
    slots = draw.permutation(shape[1])  # the same shuffle in every class leaves diff alone as well
    np.testing.assert_allclose(loss(z[:, slots]), loss(z), rtol=1e-3)


@pytest.fixture(scope="module")
def published() -> Any:
    return with_gradient(1 / 137, 1 / 137)


@pytest.mark.parametrize("z", [np.zeros((3, 4, 5)), np.ones((3, 4, 5)), np.tile([1.0, 0, 0], (3, 4, 1)),
                               np.concatenate([np.zeros((1, 4, 5)), np.ones((2, 4, 5))])])  # fmt: skip
def test_finite_at_collapse_and_at_zero(z: Rows, published: Any) -> None:
    z = np.pad(z, ((0, 0), (0, 0), (0, 5 - z.shape[2])))
    loss, gradient = value_and_gradient(z, jnp.float32, 1 / 137, 1 / 137, published)
    assert np.isfinite([*map(float, loss)]).all()
    assert np.isfinite(gradient).all()


def simo2_of_lines(
    z_ckd: Rows, orth_lean: float, epsilon: float, bias: float, line: bool
) -> tuple[float, float, float]:
    """The definition with a bias, and with the distance of lines between classes, a pair at a time."""

    def cost(a: Rows, b: Rows, y: float, of_lines: bool) -> float:
        product = abs(a @ b) if of_lines else a @ b
        r = (a @ b + bias) ** 2 / (epsilon + a @ a + b @ b - 2 * product)
        return float((1 + r) ** (1 - 2 * y))

    classes, k, _ = z_ckd.shape
    pairs = [(a, b) for a in range(classes) for b in range(a + 1, classes)]
    slots = [(i, j) for i in range(k) for j in range(i + 1, k)]
    means = z_ckd.mean(axis=1)
    return (
        sum(cost(z[i], z[j], 1, False) for z in z_ckd for i, j in slots),
        sum(cost(means[a], means[b], orth_lean, line) for a, b in pairs),
        sum(cost(z_ckd[a, i], z_ckd[b, i], orth_lean, line) for i in range(k) for a, b in pairs),
    )


@pytest.mark.parametrize("distance", ["euclidean", "line"])
@pytest.mark.parametrize("bias", [0.0, 0.4])
def test_distance_and_bias_agree_with_a_loop_and_with_differences(distance: str, bias: float) -> None:
    z = _embeddings(5, (4, 3, 3), spread=3)
    loss = partial(simo2_loss, orth_lean=0.1, epsilon=0.05, distance=distance, bias=bias)
    expected = simo2_of_lines(z, 0.1, 0.05, bias, distance == "line")
    with float64_allowed(True):
        found = jit(loss)(jnp.asarray(z))
        np.testing.assert_allclose([*map(float, found)][1:], expected, rtol=1e-10)
        gradient = jit(jax.grad(lambda rows: loss(rows).total))(jnp.asarray(z))
        for at in [(0, 0, 0), (1, 2, 1), (3, 1, 2)]:
            up, down = z.copy(), z.copy()
            up[at] += 1e-6
            down[at] -= 1e-6
            slope = (
                sum(simo2_of_lines(up, 0.1, 0.05, bias, distance == "line"))
                - sum(simo2_of_lines(down, 0.1, 0.05, bias, distance == "line"))
            ) / 2e-6
            np.testing.assert_allclose(gradient[at], slope, rtol=1e-5)


def test_between_lines_opposite_costs_as_much_as_equal() -> None:
    turn = lambda degrees: [np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]  # noqa: E731

    def diff(degrees: float, distance: str) -> float:
        z = jnp.asarray([[turn(0)], [turn(degrees)]], jnp.float32)
        return float(jit(partial(simo2_loss, orth_lean=0.0, distance=distance))(z).diff)

    assert diff(180, "line") == pytest.approx(diff(0, "line"), rel=1e-5)
    assert diff(180, "line") == pytest.approx(138, rel=1e-4)
    assert diff(180, "euclidean") == pytest.approx(1 + 1 / (4 + 1 / 137), rel=1e-5)
    assert diff(90, "line") == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("distance", ["euclidean", "line"])
@pytest.mark.parametrize(("block", "blocks"), [(256, 16), (4, 16), (5, 1)])
def test_all_pairs_of_classes_are_the_mean_of_the_slots_in_every_order(
    monkeypatch: pytest.MonkeyPatch, distance: str, block: int, blocks: int
) -> None:
    monkeypatch.setattr(loss_module, "_BLOCK", block)
    monkeypatch.setattr(loss_module, "_MOST_BLOCKS", blocks)
    z = _embeddings(3, (3, 4, 5), spread=2)
    loss = partial(simo2_loss, orth_lean=0.1, epsilon=0.05, bias=0.2, distance=distance)
    orders = itertools.product(range(4), repeat=2)
    turned = np.stack([np.stack([z[0], np.roll(z[1], i, 0), np.roll(z[2], j, 0)]) for i, j in orders])
    with float64_allowed(True):
        expected = jit(lambda rows: jax.vmap(loss)(rows).diff.mean())(jnp.asarray(turned))
        every = partial(loss, negatives="all")
        found = jit(every)(jnp.asarray(z))
        np.testing.assert_allclose(found.diff, expected, rtol=1e-10)
        np.testing.assert_allclose(found.total, sum(map(float, found[1:])), rtol=1e-12)
        gradient = jit(jax.grad(lambda rows: every(rows).diff))(jnp.asarray(z))
        for at in [(0, 0, 0), (1, 3, 1), (2, 2, 4)]:
            up, down = z.copy(), z.copy()
            up[at] += 1e-6
            down[at] -= 1e-6
            slope = (jit(every)(jnp.asarray(up)).diff - jit(every)(jnp.asarray(down)).diff) / 2e-6
            np.testing.assert_allclose(gradient[at], slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("word", "allowed"),
    [({"distance": "cosine"}, "euclidean, line"), ({"reduction": "max"}, "sum, mean"), ({"negatives": "few"}, "slots")],
)
def test_unknown_words_are_refused(word: dict[str, Any], allowed: str) -> None:
    with pytest.raises(ValueError, match=allowed):
        simo2_loss(jnp.zeros((2, 2, 2)), **word)


def test_half_precision_is_raised() -> None:
    z = jnp.asarray(_embeddings(0, (3, 4, 8)), jnp.bfloat16)
    loss, gradient = jit(jax.value_and_grad(lambda rows: simo2_loss(rows).total))(z)
    assert loss.dtype == jnp.float32
    assert gradient.dtype == jnp.bfloat16


@pytest.mark.parametrize(("elements", "block", "blocks"), [(2**20, 6, 16), (1, 256, 16), (100, 8, 16), (100, 2, 1)])
def test_blocks_and_groups_change_nothing(
    published: Any, monkeypatch: pytest.MonkeyPatch, elements: int, block: int, blocks: int
) -> None:
    z = _embeddings(1, (11, 5, 7))
    whole, whole_gradient = value_and_gradient(z, jnp.float32, 1 / 137, 1 / 137, published)
    monkeypatch.setattr(loss_module, "_ELEMENTS_AT_ONCE", elements)
    monkeypatch.setattr(loss_module, "_BLOCK", block)
    monkeypatch.setattr(loss_module, "_MOST_BLOCKS", blocks)
    cut, cut_gradient = value_and_gradient(z, jnp.float32, 1 / 137, 1 / 137)
    np.testing.assert_allclose([*map(float, cut)], [*map(float, whole)], rtol=1e-5)
    np.testing.assert_allclose(cut_gradient, whole_gradient, rtol=1e-4, atol=1e-4)


@pytest.mark.optimised
@pytest.mark.parametrize("negatives", ["slots", "all"])
def test_nothing_of_the_size_of_a_gram_matrix_is_kept(negatives: str) -> None:
    z = jax.ShapeDtypeStruct((1000, 32, 64), jnp.float32)
    total: Callable[[jax.Array], jax.Array] = lambda rows: simo2_loss(rows, negatives=negatives).total  # noqa: E731
    memory = jit(jax.value_and_grad(total)).lower(z).compile().memory_analysis()
    if memory is None:
        pytest.skip("this backend does not tell how much memory a program takes")
    assert memory.temp_size_in_bytes < 20e9 / 25, "the pair gather takes 20 GB"


def test_a_batch_that_is_not_grouped_is_refused() -> None:
    with pytest.raises(ValueError, match="samples per class"):
        simo2_loss(jnp.zeros((6, 4)))


def test_partial_application_keeps_the_settings() -> None:
    z = jnp.asarray(_embeddings(2, (3, 3, 4)), jnp.float32)
    lean = partial(simo2_loss, orth_lean=0.25)
    found, usual = jit(lean)(z), jitted(z)
    assert float(found.same) == float(usual.same)
    assert float(found.diff) != float(usual.diff)


@pytest.mark.parametrize("distance", ["euclidean", "line"])
def test_pairs_of_one_class_have_their_own_epsilon_bias_and_weight(distance: str) -> None:
    z, line = _embeddings(7, (4, 3, 5), spread=2), distance == "line"
    same, _, _ = simo2_of_lines(z, 0.1, 0.7, 0.9, line)
    _, mean, diff = simo2_of_lines(z, 0.1, 0.05, 0.2, line)
    loss = partial(simo2_loss, orth_lean=0.1, bias=0.2, distance=distance, epsilon=0.05)
    own = partial(loss, same_epsilon=0.7, same_bias=0.9, pull=1.5)
    with float64_allowed(True):
        found = jit(own)(jnp.asarray(z))
        np.testing.assert_allclose([*map(float, found)], [1.5 * same + mean + diff, 1.5 * same, mean, diff], rtol=1e-10)
        gradient = jit(jax.grad(lambda rows: own(rows).total))(jnp.asarray(z))
        parts = [
            jit(jax.grad(of))(jnp.asarray(z))
            for of in (
                lambda rows: simo2_loss(rows, orth_lean=0.1, epsilon=0.7, bias=0.9, distance=distance).same,
                lambda rows: sum(loss(rows)[2:]),
            )
        ]
        np.testing.assert_allclose(gradient, 1.5 * parts[0] + parts[1], rtol=1e-9, atol=1e-12)


def test_an_epsilon_that_is_an_argument_is_that_of_a_constant_and_is_held() -> None:
    z = jnp.asarray(_embeddings(3, (4, 3, 5)), jnp.float32)
    by_argument = jit(jax.value_and_grad(lambda rows, e: simo2_loss(rows, epsilon=e).total, argnums=(0, 1)))
    total, (gradient, by_epsilon) = by_argument(z, jnp.float32(0.3))
    fixed, fixed_gradient = jit(jax.value_and_grad(lambda rows: simo2_loss(rows, epsilon=0.3).total))(z)
    np.testing.assert_allclose(total, fixed, rtol=1e-6)
    np.testing.assert_allclose(gradient, fixed_gradient, rtol=1e-4, atol=1e-6)
    assert float(by_epsilon) == 0
