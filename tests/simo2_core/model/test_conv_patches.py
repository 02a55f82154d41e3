"""Products over patches of bfloat16, against float64: the same bits in, so only sums and the last rounding differ."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core.compiling import jit
from simo2_core.model import conv, conv_forms
from simo2_core.model.conv import convolve
from simo2_core.model.conv_forms import PLAIN, Form

pytestmark = pytest.mark.optimised

ROUNDED = 2.0**-8
"""Of a gradient, which comes out in bfloat16, as a share of its largest entry."""
CASES = [
    ((32, 32), (3, 3), (1, 1), "SAME"),
    ((7, 7), (3, 3), (2, 2), "SAME"),
    ((4, 4), (3, 3), (1, 1), "SAME"),
    ((9, 7), (2, 3), (3, 1), "VALID"),
    ((6, 5), (3, 2), (3, 2), "SAME"),
    ((5, 8), (1, 2), (2, 3), "SAME"),
]
"""Map, kernel and strides: what ships, odd ones, and phases that no tap meets."""


def operands(n, size, kernel, strides, padding):
    draw = np.random.default_rng(0)
    x, k = draw.normal(size=(n, *size, 3)), draw.normal(size=(*kernel, 3, 4))
    y = jax.eval_shape(lambda x, k: of_lax(x, k, strides, padding), x, k)
    return (
        jnp.asarray(x, jnp.bfloat16),
        jnp.asarray(k, jnp.bfloat16),
        jnp.asarray(draw.normal(size=y.shape), jnp.bfloat16),
    )


def of_lax(x, k, strides, padding):
    return jax.lax.conv_general_dilated(x, k, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def with_gradients(convolution, x, k, given, *how):
    y, transpose = jax.vjp(lambda x, k: convolution(x, k, *how), x, k)
    return y, *transpose(given.astype(y.dtype))


@pytest.mark.parametrize(("n", "images", "cases"), [(5, 2, CASES), (2, 1, CASES[3:4])])
def test_values_and_gradients_are_right_to_float64(n, images, cases, monkeypatch: pytest.MonkeyPatch):
    """Also of a batch that the few images at a time do not divide."""
    monkeypatch.setattr(conv, "form_of", lambda *_: Form(images, phases=True, patches=True))
    every = [operands(n, *case) for case in cases]
    program = jit(lambda every: [with_gradients(convolve, *a, *case[2:]) for a, case in zip(every, cases, strict=True)])
    found = program(every)
    exact = jit(lambda every: [with_gradients(of_lax, *a, *case[2:]) for a, case in zip(every, cases, strict=True)])
    with jax.enable_x64(True):
        expected = exact([[np.asarray(a, np.float64) for a in arrays] for arrays in every])
    for case, each, right in zip(cases, found, expected, strict=True):
        assert [a.dtype for a in each] == ["float32", "bfloat16", "bfloat16"]
        for one, other, bound in zip(each, right, (1e-5, ROUNDED, ROUNDED), strict=True):
            assert other.dtype == np.float64
            scale = np.abs(other).max()
            np.testing.assert_allclose(np.asarray(one, np.float64), other, atol=bound * scale, err_msg=str(case))


@pytest.fixture
def units(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(conv_forms, "multiplies_bfloat16", lambda: True)


def form_of(n, side, c, o, dtype):
    return conv_forms.form_of((n, side, side, c), (3, 3, c, o), (side, side), dtype)


def test_the_table_of_forms(units, monkeypatch: pytest.MonkeyPatch):
    assert form_of(160, 32, 64, 64, jnp.float32) == Form(16, phases=True)
    assert form_of(160, 8, 16, 16, jnp.float32) == Form(0, phases=True)
    assert form_of(160, 16, 128, 128, jnp.bfloat16) == Form(6, phases=True, patches=True)
    assert form_of(160, 128, 128, 128, jnp.bfloat16).images == 1
    assert form_of(4, 4, 16, 16, jnp.bfloat16).images == 2, "a loop of one turn would be none"
    assert not form_of(1, 32, 64, 64, jnp.bfloat16).patches
    assert not form_of(160, 32, 3, 64, jnp.bfloat16).patches
    monkeypatch.setattr(conv_forms, "multiplies_bfloat16", lambda: False)
    assert form_of(160, 32, 64, 64, jnp.bfloat16) == Form(16, phases=True)


def test_several_devices_and_accelerators_have_the_plain_convolution(units, monkeypatch: pytest.MonkeyPatch):
    for name, value in (("device_count", 2), ("default_backend", "gpu")):
        with monkeypatch.context() as patch:
            patch.setattr(jax, name, lambda value=value: value)
            assert {form_of(160, 32, 64, 64, dtype) for dtype in (jnp.float32, jnp.bfloat16)} == {PLAIN}


def test_products_of_bfloat16_are_not_turned_into_float32(units):
    """XLA's convolution is: that is why there are patches."""
    x, k, given = operands(8, (8, 8), (3, 3), (1, 1), "SAME")
    x, k, given = (np.concatenate([a] * 8, axis=-1) for a in (x, np.concatenate([k] * 8, axis=2), given))
    program = jit(lambda *a: with_gradients(convolve, *a, (1, 1), "SAME")).lower(x, k, given).compile().as_text()
    assert " convolution(" not in program
    products = [line for line in program.splitlines() if " dot(" in line]
    assert len(products) == 3
    assert all("f32[" in line.split(" dot(")[0] for line in products), "summed in float32"
