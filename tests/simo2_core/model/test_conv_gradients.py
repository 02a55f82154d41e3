import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core.compiling import jit
from simo2_core.model.conv_forms import PLAIN, Form
from simo2_core.model.conv_gradients import gradients

pytestmark = pytest.mark.optimised

FORMS = [PLAIN, Form(phases=True), Form(2, phases=True), Form(3, phases=True)]

SHIPPED = [
    (size, kernel, strides)
    for size in (128, 96, 64, 32, 28, 16, 14, 8, 7, 4, 2, 1)
    for kernel, strides in ((3, 1), (3, 2), (1, 1), (1, 2))
    if size > 1 or kernel == 1
]
"""Side of the map, of the kernel, and stride: what the presets and ResNet-18 have, and maps that these lead to."""

ODD = [
    ((7, 6), (3, 3), (2, 2)),
    ((9, 7), (2, 3), (3, 1)),
    ((5, 8), (3, 2), (3, 2)),
    ((6, 5), (1, 1), (2, 3)),
    ((5, 5), (5, 5), (2, 3)),
    ((4, 9), (2, 2), (4, 3)),
]


def operands(n, size, kernel, dtype=np.float32):
    draw = np.random.default_rng(0)
    return draw.normal(size=(n, *size, 2)).astype(dtype), draw.normal(size=(*kernel, 2, 3)).astype(dtype)


def of_lax(x, kernel, strides, padding):
    """The gradients that jax derives, of outputs whose own gradients are cosines."""
    layout = ("NHWC", "HWIO", "NHWC")
    y, transpose = jax.vjp(
        lambda x, k: jax.lax.conv_general_dilated(x, k, strides, padding, dimension_numbers=layout), x, kernel
    )
    given = jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)
    return given, transpose(given)


def compare(cases, forms, n):
    """All cases as one program: compiling is what takes long.

    One image is less than a chunk of 2 or of 3, six are whole chunks of either, and of seven one is left over.
    """

    def both(operands):
        pairs = []
        for (x, kernel), (_, _, strides, padding), form in zip(operands, cases, forms, strict=True):
            given, right = of_lax(x, kernel, strides, padding)
            pairs.append((gradients(x, kernel, given, strides, padding, form), right))
        return pairs

    for found, right in jit(both)([operands(n, size, kernel) for size, kernel, _, _ in cases]):
        for one, other in zip(found, right, strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, atol=1e-5 * max(np.abs(other).max(), 1e-6))


@pytest.mark.parametrize("n", [1, 7], ids=lambda n: f"{n} images")
def test_every_form_gives_the_gradients_of_odd_sizes_and_strides(n):
    every = [(*case, padding, form) for case, padding, form in itertools.product(ODD, ("SAME", "VALID"), FORMS)]
    compare([case[:4] for case in every], [case[4] for case in every], n)


@pytest.mark.parametrize("form", FORMS[2:])
def test_every_shape_that_ships_has_the_gradients_of_lax(form):
    cases = [((size,) * 2, (kernel,) * 2, (stride,) * 2, "SAME") for size, kernel, stride in SHIPPED]
    compare(cases, [form] * len(cases), 6)


def test_chunks_of_bfloat16_are_summed_in_float32():
    x, kernel = operands(64, (6, 6), (3, 3))
    halves = jnp.asarray(x, jnp.bfloat16), jnp.asarray(kernel, jnp.bfloat16)
    given, _ = of_lax(*halves, (1, 1), "SAME")
    _, found = jit(lambda: gradients(*halves, given, (1, 1), "SAME", Form(2, phases=True)))()
    right = of_float64(np.float64(halves[0]), np.float64(given))
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(found.astype(jnp.float32), right, atol=2**-8 * np.abs(right).max())


def of_float64(x, given):
    """The kernel's gradient of a 3×3 convolution with stride 1, tap by tap."""
    _, h, w, _ = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    taps = [[np.einsum("nhwc,nhwo->co", padded[:, i : i + h, j : j + w], given) for j in range(3)] for i in range(3)]
    return np.asarray(taps)


def test_no_convolution_of_a_stride_is_dilated():
    """XLA takes a naive path for it on a CPU."""
    x, kernel = operands(32, (8, 8), (3, 3))
    given = np.ones((32, 4, 4, 3), np.float32)
    program = jit(lambda x, k, g: gradients(x, k, g, (2, 2), "SAME", Form(16, phases=True))[0])
    text = program.lower(x, kernel, given).compile().as_text()
    convolutions = [line for line in text.splitlines() if " convolution(" in line]
    assert len(convolutions) >= 3
    assert not any("lhs_dilate" in line for line in convolutions)
