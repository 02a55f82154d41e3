import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from simo2_core.compiling import jit
from simo2_core.model.conv import Conv, convolve, taps

pytestmark = pytest.mark.optimised


def operands(size: tuple[int, int], kernel: tuple[int, int], dtype=jnp.float32):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(3, *size, 2))
    k = draw.normal(size=(*kernel, 2, 4))
    return jnp.asarray(x, dtype), jnp.asarray(k, dtype)


def by_definition(x, k, strides, padding):
    return jax.lax.conv_general_dilated(x, k, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def with_gradients(convolution, x, k, strides, padding):
    def both(x, k):
        y, transpose = jax.vjp(lambda x, k: convolution(x, k, strides, padding), x, k)
        return y, *transpose(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))

    return both(x, k) if isinstance(x, jax.core.Tracer) else jit(both)(x, k)


WAYS = [
    (kernel, strides, padding)
    for kernel, strides in [((3, 3), (1, 1)), ((3, 3), (2, 2)), ((2, 3), (3, 1)), ((1, 1), (1, 2))]
    for padding in ("SAME", "VALID")
]


@pytest.mark.parametrize("size", [(8, 9), (5, 5), (3, 3), (2, 3), (1, 1)])
def test_values_and_gradients_are_those_of_a_convolution(size):
    """Of maps larger than a 3×3 kernel, as large, and smaller: there are other ways; all as one program."""
    ways = [way for way in WAYS if way[2] == "SAME" or (size[0] >= way[0][0] and size[1] >= way[0][1])]
    every = [operands(size, kernel) for kernel, _, _ in ways]

    def both(every):
        for (x, k), (_, *how) in zip(every, ways, strict=True):
            yield with_gradients(convolve, x, k, *how), with_gradients(by_definition, x, k, *how)

    for way, (found, expected) in zip(ways, jit(lambda every: list(both(every)))(every), strict=True):
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-5, err_msg=str(way))


@pytest.mark.parametrize("size", [(8, 8), (2, 2)])
@pytest.mark.parametrize("kernel", [(3, 3), (1, 1)])
def test_half_precision_accumulates_in_float32(size, kernel):
    x, k = operands(size, kernel, jnp.bfloat16)
    y, x_gradient, k_gradient = with_gradients(convolve, x, k, (1, 1), "SAME")
    exact = with_gradients(by_definition, *(jnp.asarray(np.float32(a)) for a in (x, k)), (1, 1), "SAME")
    assert y.dtype == jnp.float32
    assert x_gradient.dtype == k_gradient.dtype == jnp.bfloat16
    np.testing.assert_allclose(y, exact[0], atol=1e-4)
    np.testing.assert_allclose(np.float32(x_gradient), exact[1], atol=0.1)
    np.testing.assert_allclose(np.float32(k_gradient), exact[2], rtol=0.02, atol=0.5)


def test_no_convolution_in_a_training_loop_leaves_the_fast_order_of_dimensions():
    """XLA takes 20 to 40 times as long on a CPU for any other, in a loop."""
    x, k = operands((8, 8), (3, 3))

    def body(_, both):
        _, x_gradient, k_gradient = with_gradients(convolve, *both, (1, 1), "SAME")
        return x_gradient, k_gradient

    x = jnp.concatenate([x, x], axis=-1)
    k = jnp.concatenate([k, k], axis=2)
    program = jit(lambda n, x, k: jax.lax.fori_loop(0, n, body, (x, k))).lower(3, x, k).compile().as_text()
    convolutions = [line for line in program.splitlines() if " convolution(" in line]
    assert len(convolutions) == 2, "that of x and that of the kernel; y itself is not used"
    assert all("dim_labels=b01f_01io->b01f" in line for line in convolutions)


def test_taps_join_a_pixel_to_its_neighbours():
    joint = taps((2, 2), (3, 3), (1, 1), "SAME").reshape(4, 4, 9)
    assert (joint.sum(axis=2) == 1).all(), "every pixel of a 2×2 map meets every other under one tap of a 3×3 kernel"
    assert joint[0, 0].argmax() == 4, "itself under the one in the middle"
    assert joint[3, 0].argmax() == 8, "the last pixel lies below and right of the first"


def test_the_module_adds_its_bias():
    conv = Conv(2, 4, 3, rngs=nnx.Rngs(0))
    x, _ = operands((5, 5), (3, 3))
    before = np.asarray(jit(lambda x: conv(x))(x))
    conv.bias[...] = jnp.arange(4.0)
    after = jit(lambda x: conv(x))(x)
    np.testing.assert_allclose(after - before, np.broadcast_to(np.arange(4.0), before.shape), atol=1e-6)
    assert Conv(2, 4, 3, use_bias=False, rngs=nnx.Rngs(0)).bias is None


def test_the_module_computes_in_the_precision_it_is_told():
    x, _ = operands((5, 5), (3, 3))
    whole, half = Conv(2, 4, 3, rngs=nnx.Rngs(0)), Conv(2, 4, 3, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    exact, near = jit(lambda x: (whole(x), half(x)))(x)
    assert exact.dtype == near.dtype == jnp.float32
    assert 0 < np.abs(np.subtract(exact, near)).max() < 0.05


@pytest.mark.parametrize("size", [(6, 6), (2, 2)])
@pytest.mark.parametrize("kernel", [3, 1])
def test_the_sum_is_rounded_once_where_a_norm_follows(size, kernel):
    x, _ = operands(size, (3, 3))
    wide, short = (
        Conv(2, 4, kernel, use_bias=False, rounded=rounded, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
        for rounded in (False, True)
    )
    exact, rounded = jit(lambda x: (wide(x), short(x)))(x)
    assert (exact.dtype, rounded.dtype) == (jnp.float32, jnp.bfloat16)
    np.testing.assert_array_equal(exact.astype(jnp.bfloat16), rounded)
