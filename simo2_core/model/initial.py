"""Initial weights: LeCun normal, without a compilation for each shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from simo2_core.compiling import jit

_AT_ONCE = 2**14
"""Numbers drawn at once. XLA compiles a random draw anew for each shape: 7 s for the 14 kernels of the digits preset,
where pieces of one size take 0.5 s."""

_CUT_NORMAL_STD = 0.87962566103423978
"""Standard deviation of a unit normal cut at ±2."""


def _draw(key: Array, piece: Array) -> Array:
    return jax.random.truncated_normal(jax.random.fold_in(key, piece), -2, 2, (_AT_ONCE,), jnp.float32)


@cache
def _compiled_draw() -> Any:
    return jit(_draw)


def lecun_normal(key: Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> Array:
    """Normal draws of variance 1/fan-in, cut at two standard deviations; an initializer as `nnx.Linear` takes it.

    Args:
        key: decides the draws.
        shape: (…, in, out); fan-in is the product of all but the last.
    """
    size, scale = math.prod(shape), np.float32(1 / (_CUT_NORMAL_STD * math.sqrt(math.prod(shape[:-1]))))
    pieces = np.arange(-(-size // _AT_ONCE), dtype=np.int32)
    if isinstance(key, jax.core.Tracer):
        traced: Array = jax.lax.map(partial(_draw, key), jnp.asarray(pieces))
        return (traced.reshape(-1)[:size].reshape(tuple(shape)) * scale).astype(dtype)
    draw = _compiled_draw()
    drawn = np.concatenate([draw(key, piece) for piece in pieces])  # by numpy, which has nothing to compile
    return jnp.asarray(drawn[:size].reshape(tuple(shape)) * scale, dtype)
