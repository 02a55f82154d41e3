"""Batch and group norm, alone or with an activation, in as few passes over memory as the arithmetic allows.

    mean, var = Σx/N, Σx²/N - mean²      y = f(scale (x - mean) / √(var + ε) + bias)      f the activation, if any

Forward reads x twice and writes y once; backward reads x and y' twice and writes x' once, and keeps nothing but x: what
the activation saw is computed again, and a slope that takes longer to compute than to read is written down once. x, y
and their gradients are of one dtype, which bfloat16 makes half as large; all that is computed between is float32. Both
sums of a pass are taken together, in a loop that adds up what a sum runs over, slice by slice: XLA's own sums on a CPU
go through a window, one sum at a time, and take eleven times as long (`tests/benchmarks/test_norm.py`). What is summed
is kept apart from what reads it, else XLA sums it again for each reader, and looks up a group for every pixel.

Shape letters: n images, h×w map of c channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from simo2_core.dtypes import raised
from simo2_core.model.tracing import suits_one_cpu

_Sums = tuple[Array, Array]

_NARROW = 64
"""Channels that keep the units of a processor busy: of fewer, neighbouring pixels are summed side by side."""


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"gelu": jax.nn.gelu, "silu": jax.nn.silu, "relu": jax.nn.relu}


def normalised_by(
    layer: nnx.BatchNorm | nnx.GroupNorm, x_nhwc: Array, *, train: bool, activation: str | None = None
) -> Array:
    """What the layer makes of `x_nhwc`, and the activation of that; in the dtype of `x_nhwc`.

    In training, batch norm takes the statistics of the batch and keeps a running average of them, else that average.

    Args:
        activation: one of `ACTIVATIONS`.
    """
    wide = jnp.promote_types(x_nhwc.dtype, jnp.float32)
    if isinstance(layer, nnx.BatchNorm) and not train:
        y_nhwc = layer(x_nhwc.astype(wide), use_running_average=True)
        return _activated(y_nhwc, activation).astype(x_nhwc.dtype)
    scale = jnp.ones(x_nhwc.shape[-1], wide) if layer.scale is None else layer.scale[...]
    bias = jnp.zeros(x_nhwc.shape[-1], wide) if layer.bias is None else layer.bias[...]
    groups = None if isinstance(layer, nnx.BatchNorm) else layer.num_groups
    y_nhwc, mean, variance = normalise(x_nhwc, scale, bias, groups, activation, layer.epsilon)
    if isinstance(layer, nnx.BatchNorm):
        for kept, seen in ((layer.mean, mean), (layer.var, variance)):
            kept[...] = jax.lax.stop_gradient(layer.momentum * kept[...] + (1 - layer.momentum) * seen.reshape(-1))
    return y_nhwc


@partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def normalise(
    x_nhwc: Array, scale_c: Array, bias_c: Array, groups: int | None, activation: str | None, epsilon: float
) -> tuple[Array, Array, Array]:
    """`x_nhwc` with mean 0 and variance 1, scaled and shifted by channel, and the activation of that.

    Args:
        groups: of channels that are normalised together, each image by itself; None for each channel over the batch.
        activation: one of `ACTIVATIONS`, or None.

    Returns: the result, and the mean and the variance it was made with, which have no gradient: (1, 1, 1, c) or
    (n, 1, 1, c).
    """
    return _forward(x_nhwc, scale_c, bias_c, groups, activation, epsilon)[0]


_Kept = tuple[Array, Array, Array, Array, Array]


def _forward(
    x_nhwc: Array, scale_c: Array, bias_c: Array, groups: int | None, activation: str | None, epsilon: float
) -> tuple[tuple[Array, Array, Array], _Kept]:
    mean, square = (_average(total, x_nhwc, groups) for total in _sums(lambda x: (x, jnp.square(x)), groups, x_nhwc))
    variance = jnp.maximum(square - jnp.square(mean), 0)
    inverse = jax.lax.rsqrt(variance + epsilon)
    y_nhwc = _shifted(raised(x_nhwc), mean, inverse * _wide(scale_c), _wide(bias_c))
    kept = x_nhwc, scale_c, bias_c, mean, inverse
    return (_activated(y_nhwc, activation).astype(x_nhwc.dtype), mean, variance), kept


def _backward(
    groups: int | None, activation: str | None, epsilon: float, kept: _Kept, gradients: tuple[Array, Array, Array]
) -> tuple[Array, Array, Array]:
    x_nhwc, scale_c, bias_c, mean, inverse = kept
    scale, bias = _wide(scale_c), _wide(bias_c)

    given, x = gradients[0], raised(x_nhwc)
    rectify = activation == "relu"  # its slope is cheap enough to be found anew in each pass
    if activation is not None and not rectify:
        _, transpose = jax.vjp(ACTIVATIONS[activation], _shifted(x, mean, inverse * scale, bias))
        of_y = transpose(raised(given))[0].astype(x_nhwc.dtype)
        given = jax.lax.optimization_barrier(of_y)  # type: ignore[no-untyped-call]

    def passed(gradient: Array, x: Array, mean: Array, inverse: Array, scale: Array, bias: Array) -> Array:
        return jnp.where(_shifted(x, mean, inverse * scale, bias) > 0, gradient, 0) if rectify else gradient

    def each(gradient: Array, x: Array, mean: Array, inverse: Array, scale: Array, bias: Array) -> _Sums:
        of_y = passed(gradient, x, mean, inverse, scale, bias)
        return of_y, of_y * ((x - mean) * inverse)

    of_bias, of_scale = _sums(each, groups, given, x_nhwc, mean, inverse, scale, bias)
    shift, slope = (_average(total * scale, x_nhwc, groups) for total in (of_bias, of_scale))
    of_y = passed(raised(given), x, mean, inverse, scale, bias)
    of_x = inverse * (scale * of_y - shift - (x - mean) * inverse * slope)
    return of_x.astype(x_nhwc.dtype), of_scale.sum(axis=(0, 1, 2)), of_bias.sum(axis=(0, 1, 2))


normalise.defvjp(_forward, _backward)


def _activated(x: Array, activation: str | None) -> Array:
    return x if activation is None else ACTIVATIONS[activation](x)


def _wide(of_c: Array) -> Array:
    return of_c[None, None, None, :]


def _shifted(x_nhwc: Array, mean: Array, factor: Array, bias: Array) -> Array:
    return (x_nhwc - mean) * factor + bias


def _sums(each: Callable[..., _Sums], groups: int | None, *arrays: Array) -> _Sums:
    """Both results of `each`, summed in float32 over pixels, and over images without groups: (n or 1, 1, 1, c).

    Args:
        arrays: (n, h, w, c), or with sides of one that are spread out.
    """
    _, _, w, c = arrays[0].shape
    if not suits_one_cpu():  # several CPUs would gather the images; an accelerator sums well
        axes = (0, 1, 2) if groups is None else (1, 2)
        return tuple(y.sum(axis=axes, keepdims=True) for y in each(*map(raised, arrays)))  # type: ignore[return-value]

    pixels = max(1, _NARROW // c)
    if w % pixels != 0:
        pixels = 1
    wide = [_side_by_side(a, pixels, w) for a in arrays]
    if groups is None:
        sums = tuple(total.sum(axis=(1, 2), keepdims=True) for total in _added_up(each, 0, wide))
    else:
        sums = _added_up(lambda *both: both, 2, _added_up(each, 1, wide))
    first, second = (total.reshape(-1, 1, pixels, c).sum(axis=2, keepdims=True) for total in sums)
    return jax.lax.optimization_barrier((first, second))  # type: ignore[no-untyped-call,no-any-return]


def _added_up(each: Callable[..., _Sums], axis: int, arrays: Sequence[Array]) -> _Sums:
    """Both results of `each` in float32, added up slice by slice over an axis, which stays with length one."""
    count = arrays[0].shape[axis]

    def add(total: _Sums, i: Array) -> tuple[_Sums, None]:
        at_i = (jax.lax.dynamic_slice_in_dim(a, i, 1, axis) if a.shape[axis] == count else a for a in arrays)
        first, second = each(*map(raised, at_i))
        return (total[0] + first, total[1] + second), None

    of_a_slice = raised(jnp.zeros_like(jax.lax.slice_in_dim(arrays[0], 0, 1, axis=axis)))
    return jax.lax.scan(add, (of_a_slice, of_a_slice), jnp.arange(count))[0]


def _side_by_side(x: Array, pixels: int, w: int) -> Array:
    """Neighbouring pixels as the channels of one; what is spread out over pixels, once for each."""
    if x.shape[2] == w:
        return x.reshape(*x.shape[:2], w // pixels, -1)
    return jnp.tile(x, (1, 1, 1, pixels))


def _average(total: Array, x_nhwc: Array, groups: int | None) -> Array:
    """Of what is normalised together: (1, 1, 1, c), or (n, 1, 1, c) with the same for all channels of a group."""
    _, h, w, c = x_nhwc.shape
    if groups is None:
        return total / (x_nhwc.shape[0] * h * w)
    by_group = total.reshape(*total.shape[:3], groups, -1).mean(axis=-1, keepdims=True)
    spread = jnp.broadcast_to(by_group, (*by_group.shape[:-1], c // groups)).reshape(total.shape) / (h * w)
    if not suits_one_cpu():
        return spread
    return jax.lax.optimization_barrier(spread)  # type: ignore[no-untyped-call,no-any-return]
