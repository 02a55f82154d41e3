"""A convolution and its gradients as products over unrolled patches: how a CPU gets to its bfloat16 units.

XLA's convolution turns bfloat16 into float32 first; a matrix product does not. The patches of a whole batch are as
many times the images as the kernel has taps, and take longer to write and read than the product takes; those of a few
images stay in the cache. So everything goes a few images at a time, in a loop, and at least twice round: XLA takes a
loop of one turn for none.

Two things about products of bfloat16, with jaxlib 0.10.2 and 0.12.0.1 alike:

    aᵀ b    goes in float32, four times as slow; `a` is turned before the loop, where it is no part of the product
    (a b)ᵀ  becomes a product that none of XLA's libraries takes, and fails as it runs; a barrier keeps the two apart

Shape letters: n images, h×w map of c channels in, p×q map of o channels out; t taps; r rows of patches, n*p*q.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

Pads = Sequence[tuple[int, int]]
"""Rows before and after, columns before and after; a negative one cuts off."""


def convolution(
    x_nhwc: Array, kernel: Array, strides: tuple[int, int], pads: Pads, images: int, dtype: DTypeLike
) -> Array:
    """(n, p, q, o), summed in float32 and then of `dtype`, of `images` at a time."""
    taps_by_o = kernel.reshape(-1, kernel.shape[-1])

    def some(part_nhwc: Array) -> Array:
        patches = unroll(part_nhwc, kernel.shape[:2], strides, pads)
        y_ro = jnp.matmul(patches.reshape(-1, patches.shape[-1]), taps_by_o, preferred_element_type=jnp.float32)
        return y_ro.astype(dtype).reshape(*patches.shape[:3], -1)

    return _a_few_at_a_time(some, x_nhwc, images)


def unroll(x_nhwc: Array, size: tuple[int, ...], strides: tuple[int, int], pads: Pads) -> Array:
    """The pixels under each tap of a kernel of `size`, for every output: (n, p, q, t*c), in the order of the taps."""
    zero = jnp.zeros((), x_nhwc.dtype)
    padded = jax.lax.pad(x_nhwc, zero, ((0, 0, 0), (*pads[0], 0), (*pads[1], 0), (0, 0, 0)))
    p, q = ((padded.shape[1 + axis] - size[axis]) // strides[axis] + 1 for axis in (0, 1))
    rows, columns = (p - 1) * strides[0] + 1, (q - 1) * strides[1] + 1
    taps = [
        padded[:, i : i + rows : strides[0], j : j + columns : strides[1]]
        for i in range(size[0])
        for j in range(size[1])
    ]
    return jnp.concatenate(taps, axis=-1)


def kernel_gradient(
    x_nhwc: Array, gradient_npqo: Array, size: tuple[int, ...], strides: tuple[int, int], pads: Pads, images: int
) -> Array:
    """(*size, c, o), float32, summed over `images` at a time in one order.

    Args:
        gradient_npqo: that of the output, of one dtype with the input. Where it was computed just now, what computes it
            is computed once more as it is turned, and that while memory is walked across: see `as_read_from_memory`.
    """
    count, outputs = x_nhwc.shape[0], gradient_npqo.shape[-1]
    looped = count // images * images

    def turned(part_npqo: Array, chunks: int) -> Array:
        return part_npqo.reshape(chunks, -1, outputs).swapaxes(1, 2)

    def add(total: Array, chunk: tuple[Array, Array]) -> tuple[Array, None]:
        part_nhwc, gradient_or = chunk
        patches_rt = unroll(part_nhwc, size, strides, pads).reshape(gradient_or.shape[1], -1)
        return total + jnp.matmul(gradient_or, patches_rt, preferred_element_type=jnp.float32), None

    total = jnp.zeros((outputs, size[0] * size[1] * x_nhwc.shape[-1]), jnp.float32)
    chunks = looped // images
    parts = x_nhwc[:looped].reshape(chunks, images, *x_nhwc.shape[1:])
    total, _ = jax.lax.scan(add, total, (parts, turned(gradient_npqo[:looped], chunks)))
    if looped < count:
        total, _ = add(total, (x_nhwc[looped:], turned(gradient_npqo[looped:], 1)[0]))
    kept_apart: Array = jax.lax.optimization_barrier(total)  # type: ignore[no-untyped-call]
    return kept_apart.T.reshape(*size, x_nhwc.shape[-1], outputs)


def as_read_from_memory(x: Array, images: int) -> Array:
    """`x`, copied a few images at a time: nothing that made it can be computed again where it is read."""
    return _a_few_at_a_time(lambda part: part, x, images)


def _a_few_at_a_time(some: Callable[[Array], Array], x: Array, images: int) -> Array:
    """`some` of each few images; the last few reach back where they do not divide evenly."""
    count = x.shape[0]
    like = jax.eval_shape(some, x[:images])

    def one(i: Array, y: Array) -> Array:
        start = jnp.minimum(i * images, count - images)
        part = jax.lax.dynamic_slice_in_dim(x, start, images)
        return jax.lax.dynamic_update_slice_in_dim(y, some(part), start, axis=0)

    every: Array = jax.lax.fori_loop(0, -(-count // images), one, jnp.zeros((count, *like.shape[1:]), like.dtype))
    return every
