"""The YAT convolution: how alike in direction a patch and a kernel are, over how far apart they are.

    y = α (x·W)² / (‖x − W‖² + ε)        for each patch x and each output channel's kernel W

It bends by itself, so no activation follows. Source: Bouhsine, "Neural Matter Networks", arXiv 2411.08085.

Shape letters: n images, h×w map of c channels in, p×q map of o channels out.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import DTypeLike

from simo2_core.model.conv import convolve, pair
from simo2_core.model.initial import lecun_normal


class YatConv(nnx.Module):
    """A YAT convolution with Params `kernel` (HWIO) and scalar `alpha`.

    Kernels begin as LeCun normal (variance 1/fan-in), so that ‖W‖² is about 1 and a patch of that size sees y near
    (x·W)²/2; `alpha` begins at 1.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: int | tuple[int, int],
        *,
        strides: int | tuple[int, int] = 1,
        padding: str = "SAME",
        epsilon: float = 1e-5,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        """`dtype` is what x·W is computed in: by default that of the input, float32 at least."""
        shape = (*pair(kernel_size), in_features, out_features)
        self.kernel = nnx.Param(lecun_normal(rngs.params(), shape))
        self.alpha = nnx.Param(jnp.ones((), jnp.float32))
        self.strides = pair(strides)
        self.padding = padding
        self.epsilon = epsilon
        self.dtype = dtype

    def __call__(self, x_nhwc: Array) -> Array:
        """(n, h, w, in_features) to (n, p, q, out_features) of float32; not negative while `alpha` is not."""
        dtype = self.dtype or jnp.promote_types(x_nhwc.dtype, jnp.float32)
        x_nhwc, kernel = x_nhwc.astype(dtype), self.kernel[...].astype(dtype)
        dot_npqo = convolve(x_nhwc, kernel, self.strides, self.padding)
        # squares of what was multiplied, rounding included: else the distance is off where it is small
        patch_npq1 = _patch_square(x_nhwc.astype(dot_npqo.dtype), kernel.shape[:2], self.strides, self.padding)
        kernel_o = jnp.square(kernel.astype(dot_npqo.dtype)).sum(axis=(0, 1, 2))
        distance_npqo = jnp.maximum(patch_npq1 + kernel_o[None, None, None, :] - 2 * dot_npqo, 0)
        y_npqo: Array = self.alpha[...] * jnp.square(dot_npqo) / (distance_npqo + self.epsilon)
        return y_npqo


def _patch_square(x_nhwc: Array, size: tuple[int, ...], strides: tuple[int, int], padding: str) -> Array:
    """‖x‖² of each patch, (n, p, q, 1): a sum over channels, then a box sum of one channel."""
    square_nhw1 = jnp.square(x_nhwc).sum(axis=-1, keepdims=True)
    window, steps = (1, *size, 1), (1, *strides, 1)
    box_npq1: Array = jax.lax.reduce_window(square_nhw1, 0.0, jax.lax.add, window, steps, padding)
    return box_npq1
