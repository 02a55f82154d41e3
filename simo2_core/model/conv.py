"""Linear convolution, in whichever form the backend is fast at.

XLA's convolution is the fastest on an accelerator, and on a CPU for large maps. On a CPU two forms of the same sum
beat it both ways (2 cores, batch 160, compiled by `simo2_core.compiling`; `tests/benchmarks/test_conv.py`):

    kernel 1×1                   one product over pixels          0.09 ms instead of 2.1 in a loop (32 to 32 at 4×4)
    map no larger than kernel    one product over whole maps      0.29 ms instead of 2.9 (3×3, 64 to 64 on 2×2)

The second multiplies each image, flattened, with the matrix that the convolution is: (h*w*c, p*q*o), mostly copies
of the kernel's taps. While the map has no more pixels than the kernel has taps, that is no more arithmetic than the
convolution itself. Unrolled patches (im2col) tie with XLA at larger maps and take as many times the memory as the
kernel has taps, so they are not used.

How the gradients of XLA's convolution are computed is in `conv_gradients`.

Shape letters: n images, h×w map of c channels in, p×q map of o channels out; t taps of the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from jax.typing import DTypeLike
from numpy.typing import NDArray

from simo2_core.model import conv_patches
from simo2_core.model.conv_forms import LAYOUT, form_of
from simo2_core.model.conv_gradients import gradients
from simo2_core.model.initial import lecun_normal
from simo2_core.model.tracing import is_as_written, suits_cpu


class Convolution(NamedTuple):
    """What decides how long one takes."""

    x: tuple[int, ...]
    """(n, h, w, c)."""
    kernel: tuple[int, ...]
    """(height, width, c, o)."""
    strides: tuple[int, int]
    padding: str


_heard: ContextVar[list[Convolution] | None] = ContextVar("_heard", default=None)


@contextmanager
def heard() -> Iterator[list[Convolution]]:
    """Inside the block, every call of `convolve`, traced or not, adds to the list."""
    shapes: list[Convolution] = []
    token = _heard.set(shapes)
    try:
        yield shapes
    finally:
        _heard.reset(token)


def convolve(x_nhwc: Array, kernel: Array, strides: tuple[int, int], padding: str, *, rounded: bool = False) -> Array:
    """Convolves (cross-correlates) images with a kernel, both of one dtype, accumulating in float32 or better.

    The gradients are computed in the dtype of the inputs.

    Args:
        x_nhwc: (n, h, w, c) images.
        kernel: (height, width, c, o).
        strides: rows and columns between outputs.
        padding: `SAME` (zeros around, ceil(h/stride) rows out) or `VALID`.
        rounded: whether to round the sums to the dtype of the inputs, for who reads them from memory twice.

    Returns: (n, p, q, o), float32, or float64 for float64 inputs; in the dtype of the inputs where `rounded`.
    """
    result = x_nhwc.dtype if rounded else _wide(x_nhwc)
    _, height, width, _ = x_nhwc.shape
    rows, columns, _, _ = kernel.shape
    if (shapes := _heard.get()) is not None:
        shapes.append(Convolution(x_nhwc.shape, kernel.shape, strides, padding))
    if is_as_written():
        return jax.lax.conv_general_dilated(
            x_nhwc, kernel, strides, padding, dimension_numbers=LAYOUT, preferred_element_type=result
        )
    if suits_cpu():
        if rows == columns == 1:
            x_npqc = jax.lax.slice(x_nhwc, (0, 0, 0, 0), x_nhwc.shape, (1, *strides, 1))  # indexing is a gather
            pixels = x_npqc.reshape(-1, x_npqc.shape[-1])
            y = jnp.matmul(pixels, kernel[0, 0], preferred_element_type=_wide(x_nhwc)).astype(result)
            return y.reshape(*x_npqc.shape[:-1], -1)
        if height * width <= rows * columns:
            return _as_one_product(x_nhwc, kernel, strides, padding).astype(result)
    return _convolve(x_nhwc, kernel, strides, padding, jnp.dtype(result))


def _wide(x: Array) -> DTypeLike:
    return jnp.promote_types(x.dtype, jnp.float32)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _convolve(x_nhwc: Array, kernel: Array, strides: tuple[int, int], padding: str, result: DTypeLike) -> Array:
    pads = jax.lax.padtype_to_pads(x_nhwc.shape[1:3], kernel.shape[:2], strides, padding)
    form = form_of(x_nhwc.shape, kernel.shape, _outputs(x_nhwc, kernel, strides, pads), x_nhwc.dtype)
    if form.patches:
        return conv_patches.convolution(x_nhwc, kernel, strides, pads, form.images, result)
    return jax.lax.conv_general_dilated(
        x_nhwc, kernel, strides, pads, dimension_numbers=LAYOUT, preferred_element_type=result
    )


def _outputs(
    x_nhwc: Array, kernel: Array, strides: tuple[int, int], pads: Sequence[tuple[int, int]]
) -> tuple[int, int]:
    lines = zip(x_nhwc.shape[1:3], kernel.shape[:2], strides, pads, strict=True)
    p, q = (max(0, (size + sum(around) - taps) // stride + 1) for size, taps, stride, around in lines)
    return p, q


def _forward(
    x_nhwc: Array, kernel: Array, strides: tuple[int, int], padding: str, result: DTypeLike
) -> tuple[Array, tuple[Array, Array]]:
    return _convolve(x_nhwc, kernel, strides, padding, result), (x_nhwc, kernel)


def _backward(
    strides: tuple[int, int], padding: str, result: DTypeLike, operands: tuple[Array, Array], gradient_npqo: Array
) -> tuple[Array, Array]:
    x_nhwc, kernel = operands
    form = form_of(x_nhwc.shape, kernel.shape, gradient_npqo.shape[1:3], x_nhwc.dtype)
    return gradients(x_nhwc, kernel, gradient_npqo.astype(x_nhwc.dtype), strides, padding, form)


_convolve.defvjp(_forward, _backward)


def _as_one_product(x_nhwc: Array, kernel: Array, strides: tuple[int, int], padding: str) -> Array:
    n, height, width, c = x_nhwc.shape
    rows, columns, _, o = kernel.shape
    choice = jnp.asarray(taps((height, width), (rows, columns), strides, padding), kernel.dtype)
    p, q = choice.shape[2:4]
    # as a product, because the gradient of an indexed copy is a scatter, which is slow on a CPU
    matrix = jnp.einsum("ipt,tco->icpo", choice.reshape(height * width, p * q, -1), kernel.reshape(-1, c, o))
    flat = x_nhwc.reshape(n, -1)
    y = jnp.matmul(flat, matrix.reshape(height * width * c, p * q * o), preferred_element_type=_wide(x_nhwc))
    return y.reshape(n, p, q, o)


@lru_cache(maxsize=256)
def taps(
    size: tuple[int, int], kernel_size: tuple[int, int], strides: tuple[int, int], padding: str
) -> NDArray[np.float32]:
    """Which tap of a kernel joins which pixels.

    Returns: (h, w, p, q, t) of zeros and ones: whether input pixel (h, w) meets output pixel (p, q) under tap t.
    """
    row_phi, column_phi = (_taps_of_a_line(*facts, padding) for facts in zip(size, kernel_size, strides, strict=True))
    joint = np.einsum("hpt,wqs->hwpqts", row_phi, column_phi)
    return np.ascontiguousarray(joint.reshape(*joint.shape[:4], -1), np.float32)


def _taps_of_a_line(size: int, taps: int, stride: int, padding: str) -> NDArray[np.float32]:
    """(size, outputs, taps) of zeros and ones."""
    ((before, after),) = jax.lax.padtype_to_pads((size,), (taps,), (stride,), padding)
    outputs = max(0, (size + before + after - taps) // stride + 1)
    source = np.arange(outputs)[:, None] * stride - before + np.arange(taps)[None, :]
    met: NDArray[np.float32] = (np.arange(size)[:, None, None] == source[None, :, :]).astype(np.float32)
    return met


class Conv(nnx.Module):
    """A linear convolution with Params `kernel` (HWIO) and, if asked for, `bias` (out_features,)."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: int | tuple[int, int],
        *,
        strides: int | tuple[int, int] = 1,
        padding: str = "SAME",
        use_bias: bool = True,
        rounded: bool = False,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        """A layer.

        Args:
            rounded: whether the result is of `dtype`, for a norm that follows and reads it several times; it is float32
                else.
            dtype: what the product is computed in: by default that of the input, float32 at least.
        """
        shape = (*pair(kernel_size), in_features, out_features)
        self.kernel = nnx.Param(lecun_normal(rngs.params(), shape))
        self.bias = nnx.Param(jnp.zeros((out_features,), jnp.float32)) if use_bias else None
        self.strides = pair(strides)
        self.padding = padding
        self.rounded = rounded
        self.dtype = dtype

    def __call__(self, x_nhwc: Array) -> Array:
        """(n, h, w, in_features) to (n, p, q, out_features)."""
        dtype = self.dtype or jnp.promote_types(x_nhwc.dtype, jnp.float32)
        x_nhwc, kernel = x_nhwc.astype(dtype), self.kernel[...].astype(dtype)
        y_npqo = convolve(x_nhwc, kernel, self.strides, self.padding, rounded=self.rounded)
        return y_npqo if self.bias is None else y_npqo + self.bias[...][None, None, None, :]


def pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """3 as (3, 3)."""
    return (size, size) if isinstance(size, int) else size
