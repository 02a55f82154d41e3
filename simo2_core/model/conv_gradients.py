"""The gradients of a convolution, in the forms that a CPU is fast at.

Along one dimension y[p] = Σ_t x[p*stride - before + t] k[t], and both gradients are sums of that form:

    of the kernel   k'[t] = Σ_np x[n, p*stride - before + t] y'[n, p]
    of the input    x'[i] = Σ_m y'[u + shift - m] k[first + stride*m],    of each phase i = u*stride + a

XLA fuses what made x, normalisation and activation say, into the transposition that the first needs, and computes it
while it walks memory across. The edge of a loop over a few images at a time keeps that out, and these stay in the cache
while they are turned. XLA's dilated convolution, for the second, takes a naive path; each phase is a dense one.

The gradients are spelled out in the one order of dimensions that XLA's convolution is fast at on a CPU. Those that jax
derives come in another; XLA turns them round, but not inside a loop, where they take 20 to 40 times as long
(https://github.com/jax-ml/jax/issues/12868), and training runs in a loop.

Shape letters: n images, h×w map of c channels in, p×q map of o channels out.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from simo2_core.model import conv_patches
from simo2_core.model.conv_forms import LAYOUT, Form

_Pads = tuple[int, int]


def gradients(
    x_nhwc: Array, kernel: Array, gradient_npqo: Array, strides: tuple[int, int], padding: str, form: Form
) -> tuple[Array, Array]:
    """Those of the input, (n, h, w, c), and of the kernel, (rows, columns, c, o), of a convolution.

    Args:
        x_nhwc: its input.
        kernel: (rows, columns, c, o).
        gradient_npqo: that of its output, in the dtype of the input.
    """
    pads = jax.lax.padtype_to_pads(x_nhwc.shape[1:3], kernel.shape[:2], strides, padding)
    sizes = zip(x_nhwc.shape[1:3], gradient_npqo.shape[1:3], strides, kernel.shape[:2], pads, strict=True)
    lines = [_Line(size, outputs, stride, taps, before) for size, outputs, stride, taps, (before, _) in sizes]
    if form.patches:
        gradient_npqo = conv_patches.as_read_from_memory(gradient_npqo, form.images)
        of_input = _by_phases(kernel, gradient_npqo, lines, form)
        of_kernel = conv_patches.kernel_gradient(x_nhwc, gradient_npqo, kernel.shape[:2], strides, pads, form.images)
        return of_input, of_kernel.astype(x_nhwc.dtype)
    in_phases = form.phases and strides != (1, 1)
    of_input = _by_phases(kernel, gradient_npqo, lines, form) if in_phases else _dilated(kernel, gradient_npqo, lines)
    return of_input, _of_kernel(x_nhwc, gradient_npqo, lines, form.images)


class _Line(NamedTuple):
    """One of the two dimensions of a convolution."""

    size: int
    """Pixels of the input."""
    outputs: int
    stride: int
    taps: int
    before: int
    """Padding before the first pixel."""

    @property
    def last(self) -> int:
        """The input pixel under the first tap of the last output."""
        return (self.outputs - 1) * self.stride - self.before


def _of_kernel(x_nhwc: Array, gradient_npqo: Array, lines: list[_Line], images: int) -> Array:
    count = x_nhwc.shape[0]
    looped = count // images * images if 0 < 2 * images <= count else 0
    if not looped:
        return _sum_over_images(x_nhwc, gradient_npqo, lines, x_nhwc.dtype)
    wide = jnp.promote_types(x_nhwc.dtype, jnp.float32)

    def add(total: Array, start: Array) -> tuple[Array, None]:
        x, gradient = (jax.lax.dynamic_slice_in_dim(a, start, images) for a in (x_nhwc, gradient_npqo))
        return total + _sum_over_images(x, gradient, lines, wide), None

    total = jnp.zeros((*(line.taps for line in lines), x_nhwc.shape[3], gradient_npqo.shape[3]), wide)
    total, _ = jax.lax.scan(add, total, jnp.arange(0, looped, images))
    if looped < count:
        total += _sum_over_images(x_nhwc[looped:], gradient_npqo[looped:], lines, wide)
    return total.astype(x_nhwc.dtype)


def _sum_over_images(x_nhwc: Array, gradient_npqo: Array, lines: list[_Line], dtype: DTypeLike) -> Array:
    total = jax.lax.conv_general_dilated(
        x_nhwc.transpose(3, 1, 2, 0),
        gradient_npqo.transpose(1, 2, 0, 3),
        (1, 1),
        [(line.before, line.taps - line.size + line.last) for line in lines],
        rhs_dilation=[line.stride for line in lines],
        dimension_numbers=LAYOUT,
        preferred_element_type=dtype,
    )
    return total.transpose(1, 2, 0, 3)


def _dilated(kernel: Array, gradient_npqo: Array, lines: list[_Line]) -> Array:
    return jax.lax.conv_general_dilated(
        gradient_npqo,
        kernel[::-1, ::-1].swapaxes(2, 3),
        (1, 1),
        [(line.taps - 1 - line.before, line.size - 1 - line.last) for line in lines],
        lhs_dilation=[line.stride for line in lines],
        dimension_numbers=LAYOUT,
    )


class _Phase(NamedTuple):
    """Every stride-th pixel of a line of the input."""

    first: int
    """The first tap that they meet; every stride-th after it as well."""
    pads: _Pads
    """Of the output's gradient; a negative one cuts off."""


def _phases(line: _Line) -> list[_Phase]:
    """Each gives ceil(size / stride) pixels, which may be one over the edge."""
    found = []
    for start in range(line.stride):
        first = (start + line.before) % line.stride
        met, shift = len(range(first, line.taps, line.stride)), (start + line.before - first) // line.stride
        found.append(_Phase(first, (met - 1 - shift, -(-line.size // line.stride) + shift - line.outputs)))
    return found


def _by_phases(kernel: Array, gradient_npqo: Array, lines: list[_Line], form: Form) -> Array:
    rows, columns = lines
    n, h, w = gradient_npqo.shape[0], -(-rows.size // rows.stride), -(-columns.size // columns.stride)
    parts = []
    for row in _phases(rows):
        for column in _phases(columns):
            taps = kernel[row.first :: rows.stride, column.first :: columns.stride]
            if taps.size:
                turned, pads = taps[::-1, ::-1].swapaxes(2, 3), (row.pads, column.pads)
                part = _dense(gradient_npqo, turned, pads, form)
            else:  # no tap meets these pixels
                part = jnp.zeros((n, h, w, kernel.shape[2]), gradient_npqo.dtype)
            parts.append(part)
    joint = jnp.stack(parts, axis=3).reshape(n, h, w, rows.stride, columns.stride, -1).swapaxes(2, 3)
    return joint.reshape(n, h * rows.stride, w * columns.stride, -1)[:, : rows.size, : columns.size]


def _dense(gradient_npqo: Array, kernel: Array, pads: tuple[_Pads, _Pads], form: Form) -> Array:
    if form.patches:
        return conv_patches.convolution(gradient_npqo, kernel, (1, 1), pads, form.images, gradient_npqo.dtype)
    return jax.lax.conv_general_dilated(gradient_npqo, kernel, (1, 1), pads, dimension_numbers=LAYOUT)
