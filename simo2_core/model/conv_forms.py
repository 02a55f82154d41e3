"""Which form a convolution and its gradients are done in: the one table, by shape and dtype.

`tests/benchmarks/test_conv_gradients.py` derives it anew. On an accelerator, and where several devices share a batch
and would have to gather it, the form is always the plain convolution.

Shape letters: n images, h×w map of c channels in, p×q map of o channels out.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax.typing import DTypeLike

from simo2_core.processor import has_one_cpu, multiplies_bfloat16

LAYOUT = ("NHWC", "HWIO", "NHWC")


class Form(NamedTuple):
    """How a convolution and its gradients are summed."""

    images: int = 0
    """Images at a time, of the kernel's gradient or, as patches, of everything; 0 for all at once."""
    phases: bool = False
    """Whether the input's gradient is one dense convolution for each phase of the strides, or XLA's dilated one."""
    patches: bool = False
    """Whether as products over unrolled patches; the input's gradient then is in phases."""


PLAIN = Form()

_IMAGES = 16
"""Of 8, 16 and 32 the best on most shapes, and never far from it where the loop is used."""
_LARGE = 4_000_000
"""Bytes of n*h*w of the wider of input and output, from which on the loop is faster: small maps fit in a cache.

Kernel 3×3, with the normalisation and activation before it, processor seconds of the loop over those of the plain form
(2 cores with AVX512-BF16, jax 0.10.2, 2026-11-28): 32×32, 64 to 64 channels, batch 160 0.74; 64 to 128, stride 2 0.55;
16×16, 128 to 128 0.93; 8×8, 256 to 256 0.94; 16×16, 32 to 32, batch 320 0.73; 4×4, 128 to 128 1.04. Of the strided ones
the phases alone are 0.5 to 1.0 of the dilated convolution.
"""
_PATCH_BYTES = 4_000_000
"""Of the patches of a few images. With 2 and 8 million, whole steps in bfloat16 took 1.05 and 1.08 of this time
(ResNet-18 of 16–128), 1.06 and 1.01 (of 64–512), 1.06 and 1.00 (airbench): jax 0.12.0.1 on 2 cores with AVX512-BF16,
2026-11-29. Counted for the phases of strides, of which one is unrolled at a time: 0.98 and 0.99 of the first two.
"""
_NARROWEST = 16


def form_of(
    x_shape: tuple[int, ...], kernel_shape: tuple[int, ...], outputs: tuple[int, ...], dtype: DTypeLike
) -> Form:
    """The form for an input (n, h, w, c), a kernel (rows, columns, c, o) and a map of (p, q) outputs."""
    if not has_one_cpu():
        return PLAIN
    (n, height, width, _), (rows, columns, c, o) = x_shape, kernel_shape
    if dtype == jnp.bfloat16 and min(c, o) >= _NARROWEST and n > 1 and multiplies_bfloat16():
        in_phase = -(-rows * outputs[0] // height) * -(-columns * outputs[1] // width)
        image_bytes = 2 * outputs[0] * outputs[1] * max(rows * columns * c, in_phase * o)
        return Form(min(max(1, _PATCH_BYTES // image_bytes), n // 2), phases=True, patches=True)
    large = n * height * width * max(c, o) * jnp.dtype(dtype).itemsize >= _LARGE
    return Form(_IMAGES if large else 0, phases=True)
