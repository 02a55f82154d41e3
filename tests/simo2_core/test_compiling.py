"""How programs are compiled, and that what is compiled is right: held to float64, at sizes where XLA was wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core import compiling, parts
from simo2_core.analysis.geometry import class_gram, class_means, cosine_distributions
from simo2_core.analysis.metrics import knn_predict
from simo2_core.bench.products import products_with_spread_values, squares_of_products
from simo2_core.compiling import compiler_options, exact_products, jit, require_device
from simo2_core.errors import ConfigError
from simo2_core.model.conv import convolve
from simo2_core.objectives.objective import Seen, Task, objective_of

pytestmark = pytest.mark.optimised

ROWS = 2**15 + 1
"""One more than where a product that is summed over turns wrong."""


def convolution(x, kernel):
    return convolve(x, kernel, (1, 1), "SAME")


def unit(*shape):
    z = np.random.default_rng(0).normal(size=shape)
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


def test_no_convolution_of_a_program_goes_to_the_library_of_one_thread():
    x, kernel = jnp.ones((4, 16, 16, 8)), jnp.ones((3, 3, 8, 16))
    program = jit(convolution).lower(x, kernel).compile()
    assert "convolution(" in program.as_text()
    assert "ynn_fusion" not in program.as_text()
    np.testing.assert_allclose(program(x, kernel), jax.jit(convolution)(x, kernel), rtol=1e-6)


@pytest.mark.parametrize("name", ["jax_enable_x64", "jax_disable_jit"])
def test_a_switch_of_jax_that_nothing_works_with_is_refused(name):
    jax.config.update(name, True)
    try:
        with pytest.raises(ConfigError, match=rf"{name.upper()} is on.*jax.config.update\('{name}', False\)"):
            require_device()
    finally:
        jax.config.update(name, False)


def test_an_accelerator_has_no_options_of_a_cpu():
    assert compiler_options("gpu") == {}


def test_an_option_that_xla_does_not_know_is_left_out(monkeypatch: pytest.MonkeyPatch):
    compiler_options.cache_clear()
    monkeypatch.setattr(compiling, "_ONE_PRODUCT_AT_A_TIME", {"xla_cpu_of_another_century": "1"})
    assert compiler_options("cpu") == {}
    assert jit(lambda x: x + 1)(1) == 2
    compiler_options.cache_clear()


@pytest.mark.parametrize("rows", [3, ROWS, 2 * ROWS])
@pytest.mark.parametrize("dims", [3, 16])
def test_a_product_that_is_summed_over_is_right(rows, dims):
    draw = np.random.default_rng(0)
    x, matrix = draw.normal(size=(rows, dims)), draw.normal(size=(dims, dims))
    right = ((x @ matrix.T) ** 2).sum(axis=1)
    found = jit(squares_of_products)(np.float32(x), np.float32(matrix))
    np.testing.assert_allclose(found, right, atol=1e-5 * right.max())


@pytest.mark.parametrize("shape", [(1, 4, 4), (5, 60, 60), (33, 20, 20)])
def test_a_batch_of_matrices_times_a_spread_value_is_right(shape):
    draw = np.random.default_rng(0)
    matrices, values = draw.normal(size=shape), draw.normal(size=shape[0])
    right = values * (matrices.sum(axis=2) ** 2).sum(axis=1)
    found = jit(products_with_spread_values)(np.float32(matrices), np.float32(values))
    np.testing.assert_allclose(found, right, atol=1e-5 * np.abs(right).max())


def simo2_in_numpy(made, z, h, classes):
    def pairs(x, power):
        """x of (g, n, D): the sum over the pairs of each group."""
        total = 0.0
        for points in x:
            dot = points @ points.T
            square = np.diag(dot)
            r = dot**2 / (made.epsilon + np.maximum(square[:, None] + square[None, :] - 2 * dot, 0))
            total += np.triu((1 + r) ** power, 1).sum()
        return total

    orthogonal = 1 - 2 * made.orth_lean
    return pairs(z, -1) + pairs(z.mean(axis=1)[None], orthogonal) + pairs(z.swapaxes(0, 1), orthogonal)


def supcon_in_numpy(made, z, h, classes):
    count, k, dims = z.shape
    rows = z.reshape(-1, dims)
    cosines = rows @ rows.T / made.temperature
    pull = sum((each @ each.T).sum() - (each**2).sum() for each in z) / (count * k * (k - 1) * made.temperature)
    np.fill_diagonal(cosines, -np.inf)
    return float(np.log(np.exp(cosines).sum(axis=1)).mean() - pull)


def cross_entropy_in_numpy(made, z, h, classes, kernel, bias):
    logits = h @ kernel + bias
    labels = np.repeat(classes, z.shape[1])
    return float((np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]).mean())


IN_NUMPY = {"simo2": simo2_in_numpy, "supcon": supcon_in_numpy, "simclr": supcon_in_numpy}
EVERY_PAIR = dict.fromkeys(("supcon", "sincere", "sigmoid"), (30, 40, 4))
SHAPES = {
    **EVERY_PAIR,
    "simclr": (600, 2, 4),
    "autoencoder": (5, 60, 8),
    "fixed_prototypes": (3, 10_981, 3),
    "mcr2": (8193, 4, 8),
    "emp_ssl": (8193, 4, 8),
}
"""(C, k, D): some compare each row with every other, the autoencoder decodes each. The rest cross 32,768 rows.

For mcr2 classes without order, larger than D, are no smaller than all: a difference of equals has no digits.
"""


def reference(made, params, classes, task):
    """The loss as a function of float64 arrays, in numpy; for one not written out above, compiled in float64."""
    if made.name in IN_NUMPY:
        return lambda z, h, images: IN_NUMPY[made.name](made, z, h, classes)
    if made.name == "cross_entropy":
        weights = [np.float64(params[f"classifier/{name}"]) for name in ("kernel", "bias")]
        return lambda z, h, images: cross_entropy_in_numpy(made, z, h, classes, *weights)
    program = jit(lambda params, z, h, images: made.loss(params, Seen(z, h, classes, images), task).total)

    def in_float64(*arrays):
        jax.config.update("jax_enable_x64", True)
        try:
            return float(program(jax.tree.map(np.float64, params), *arrays))
        finally:
            jax.config.update("jax_enable_x64", False)

    return in_float64


@pytest.mark.parametrize("name", parts.own("objective"))
@pytest.mark.parametrize("rows", ["many", "batch of matrices"])
def test_every_loss_is_right_with_its_gradient(name, rows):
    """In float32 as it is compiled, against float64; the gradient along one direction, by differences."""
    shape = SHAPES.get(name, (182, 181, 3)) if rows == "many" else (5, 60, 60)
    if name == "autoencoder" and rows != "many":
        pytest.skip("it does not look at the embedding")
    made = parts.own("objective")[name](**({"published": True} if name == "simo2" else {}))
    task = Task(shape[0], (2, 2, 1), 5, shape[2], (4, 5))
    draw, count = np.random.default_rng(1), shape[0] * shape[1]
    arrays = unit(*shape), draw.normal(size=(count, 5)), draw.normal(size=(count, 2, 2, 1))
    towards = [draw.normal(size=array.shape) for array in arrays]
    classes = draw.permutation(shape[0]).astype(np.int32)
    params = made.init(jax.random.key(0), task)

    def total(arrays, params):
        z, h, images = arrays
        return made.loss(params, Seen(z, h, classes, images), task).total

    value, gradients = jit(jax.value_and_grad(total))(tuple(map(np.float32, arrays)), params)
    right = reference(made, params, classes, task)
    assert float(value) == pytest.approx(right(*arrays), rel=1e-5)
    ahead, behind = (
        right(*(array + step * way for array, way in zip(arrays, towards, strict=True))) for step in (1e-6, -1e-6)
    )
    slopes = [np.float64(gradient) * way for gradient, way in zip(gradients, towards, strict=True)]
    size = sum(np.abs(each).sum() for each in slopes)
    assert sum(each.sum() for each in slopes) == pytest.approx((ahead - behind) / 2e-6, abs=1e-5 * size)


def spread_pairs(z):
    """A loss of a stranger's, with the second pattern in it."""
    gram = z @ z.swapaxes(1, 2)
    weight = 1 / (1 + jnp.arange(len(z), dtype=z.dtype))
    return products_with_spread_values(gram, weight).sum()


def squared_products(z):
    """Another one, with the first."""
    matrix = jnp.asarray([[0.5, 0.2, -1.0], [1.0, 0.3, 0.1], [-0.4, 0.8, 0.6]], z.dtype)
    return jnp.sqrt(squares_of_products(z.reshape(-1, 3), matrix)).sum()


@pytest.mark.parametrize(("loss", "shape"), [(spread_pairs, (5, 60, 60)), (squared_products, (3, 10_923, 3))])
def test_a_loss_of_a_strangers_is_compiled_the_same_way(loss, shape):
    made, z = objective_of(loss, "own.py:loss")(), unit(*shape)
    seen = Seen(np.float32(z), np.zeros((1, 1), np.float32), np.arange(shape[0]), np.zeros((1, 1, 1, 1), np.float32))
    found = jit(lambda seen: made.loss({}, seen, Task(shape[0], (1, 1, 1), 1, shape[2], (1,))).total)(seen)
    if loss is spread_pairs:
        weight = 1 / (1 + np.arange(len(z)))
        right = (weight * ((z @ z.swapaxes(1, 2)).sum(axis=2) ** 2).sum(axis=1)).sum()
    else:
        matrix = np.asarray([[0.5, 0.2, -1.0], [1.0, 0.3, 0.1], [-0.4, 0.8, 0.6]])
        right = np.linalg.norm(z.reshape(-1, 3) @ matrix.T, axis=1).sum()
    assert float(found) == pytest.approx(right, rel=1e-5)


def test_knn_is_right_in_a_bank_of_many_rows():
    draw = np.random.default_rng(2)
    bank, queries, labels = draw.normal(size=(ROWS, 3)), draw.normal(size=(65, 3)), draw.integers(0, 7, ROWS)
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    cosines = queries / np.linalg.norm(queries, axis=1, keepdims=True) @ bank.T
    nearest = np.argsort(-cosines, axis=1)[:, :20]
    weights = np.exp((np.take_along_axis(cosines, nearest, axis=1) - 1) / 0.07)
    votes = np.zeros((65, 7))
    np.add.at(votes, (np.arange(65)[:, None], labels[nearest]), weights)
    clear = np.sort(votes, axis=1)[:, -1] > 1.001 * np.sort(votes, axis=1)[:, -2]  # a tie may fall either way
    found = knn_predict(queries, bank, labels, classes=7)
    np.testing.assert_array_equal(found[clear], votes.argmax(axis=1)[clear])
    assert clear.mean() > 0.9


def test_geometry_of_many_rows_is_right():
    """It is numpy's own, in float64, so that no compiler has a say in it."""
    z, labels = unit(ROWS, 3), np.arange(ROWS) % 4
    means = np.stack([z[labels == label].mean(axis=0) for label in range(4)])
    np.testing.assert_allclose(class_means(np.float32(z), labels, 4), means, atol=1e-8)
    lengths = np.linalg.norm(means, axis=1)
    cosines = np.asarray(
        [[a @ b / (p * q) for b, q in zip(means, lengths, strict=True)] for a, p in zip(means, lengths, strict=True)]
    )
    np.testing.assert_allclose(class_gram(np.float32(z), labels, 4), cosines, atol=1e-6)
    few = cosine_distributions(np.float32(z), labels, at_most=300)
    assert few.images == 300
    assert few.same.sum() + few.different.sum() == 300 * 299 // 2


def test_small_products_are_exact_where_a_gpu_would_round_them(monkeypatch):
    def text():
        with exact_products():
            return str(jax.make_jaxpr(lambda x: jnp.matmul(x, x))(jnp.ones((2, 2))))

    assert "HIGHEST" not in text()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert "HIGHEST" in text()
