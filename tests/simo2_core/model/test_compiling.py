import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core.model import compiling
from simo2_core.model.compiling import compiler_options, jit
from simo2_core.model.conv import convolve


def convolution(x, kernel):
    return convolve(x, kernel, (1, 1), "SAME")


def test_no_convolution_of_a_program_goes_to_the_library_of_one_thread():
    x, kernel = jnp.ones((4, 16, 16, 8)), jnp.ones((3, 3, 8, 16))
    program = jit(convolution).lower(x, kernel).compile()
    assert "convolution(" in program.as_text()
    assert "ynn_fusion" not in program.as_text()
    np.testing.assert_allclose(program(x, kernel), jax.jit(convolution)(x, kernel), rtol=1e-6)


def test_an_accelerator_has_no_options_of_a_cpu():
    assert compiler_options("gpu") == {}


def test_an_option_that_xla_does_not_know_is_left_out(monkeypatch: pytest.MonkeyPatch):
    compiler_options.cache_clear()
    monkeypatch.setattr(compiling, "_PRODUCTS_AND_SUMS", {"xla_cpu_of_another_century": "1"})
    assert compiler_options("cpu") == {}
    assert jit(lambda x: x + 1)(1) == 2
    compiler_options.cache_clear()
