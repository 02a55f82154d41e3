"""The networks of airbench: small, and made to be trained in seconds.

    whitening 2×2, bias, activation
    groups of conv 3×3, 2×2 max pooling, norm, activation, conv 3×3, norm, activation
    the largest of the map that is left, scaled

The whitening is fitted on patches of training images and frozen; filters begin as the identity (Dirac), so that a fresh
network hands its whitened patches on. Source: Keller Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv
2404.00498, and hlb-CIFAR10 by tysam-code.

Shape letters: n images, h×w map of c channels.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from jax.typing import DTypeLike
from numpy.typing import NDArray

from simo2_core.dtypes import raised
from simo2_core.model.conv import Conv, convolve
from simo2_core.model.fitted import Fitted
from simo2_core.model.norm import ACTIVATIONS, normalised_by
from simo2_core.model.resnet import norm_groups
from simo2_core.model.yat import YatConv

PATCH = 2
"""Side of the patches that are whitened, in pixels."""
EPSILON = 5e-4
"""Added to the variance along each direction: those with next to none are noise, and would be blown up."""
MOMENTUM = 0.4
"""What batch norm keeps of its running statistics in each step: a run of a few hundred steps has no time for more.

The published program keeps 0.6. After 342 steps of CIFAR-10 that comes to the same within 0.2 points, with an average
of the weights and without (2026-11-30, one seed).
"""


def whitening_filters(images: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Filters whose outputs are uncorrelated and of variance 1 over the patches of images, and their negatives.

    Args:
        images: (n, h, w, c), normalised.

    Returns: (2, 2, c, 8c) HWIO: by falling variance the eigenvectors of the patches over the root of their variance,
    then the negatives, so that no direction is lost to the activation.
    """
    count, height, width, channels = images.shape
    taps = PATCH * PATCH * channels
    products = np.zeros((taps, taps))
    for image in images.astype(np.float64):  # one by one: the patches of all would be twelve times the images
        shifted = [image[i : height - 1 + i, j : width - 1 + j] for i in range(PATCH) for j in range(PATCH)]
        patches = np.stack(shifted, axis=2).reshape(-1, taps)
        products += patches.T @ patches
    variance, directions = np.linalg.eigh(products / (count * (height - 1) * (width - 1)))
    variance, directions = variance[::-1], directions[:, ::-1]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None, :], axis=0)
    filters = directions * np.sign(largest) / np.sqrt(variance + EPSILON)[None, :]  # a sign that no library decides
    return np.concatenate([filters, -filters], axis=1).reshape(PATCH, PATCH, channels, -1).astype(np.float32)


class Whitening(nnx.Module):
    """A frozen 2×2 convolution, `kernel` of kind `Fitted`, with a Param `bias` that is trained."""

    def __init__(self, channels: int, *, dtype: DTypeLike | None) -> None:
        taps = PATCH * PATCH * channels
        self.kernel = Fitted(
            jnp.concatenate([jnp.eye(taps), -jnp.eye(taps)], axis=1).reshape(PATCH, PATCH, channels, -1)
        )
        self.bias = nnx.Param(jnp.zeros((2 * taps,), jnp.float32))
        self.dtype = dtype

    def __call__(self, x_nhwc: Array) -> Array:
        """(n, h, w, channels) to (n, h - 1, w - 1, 8 · channels), float32."""
        dtype = self.dtype or jnp.float32
        kernel = jax.lax.stop_gradient(self.kernel[...]).astype(dtype)
        return convolve(x_nhwc.astype(dtype), kernel, (1, 1), "VALID") + self.bias[...][None, None, None, :]


class Group(nnx.Module):
    """Convolution, 2×2 max pooling, norm and activation; then convolution, norm and activation."""

    def __init__(
        self, narrow: int, wide: int, layer: str, norm: str, activation: str, *, dtype: DTypeLike | None,
        rngs: nnx.Rngs,
    ) -> None:  # fmt: skip
        """`layer` is `conv`, or `yat`, after which no activation follows."""
        self.conv1 = _identity(_layer(layer, narrow, wide, dtype, rngs))
        self.norm1 = _norm(norm, wide, rngs)
        self.conv2 = _identity(_layer(layer, wide, wide, dtype, rngs))
        self.norm2 = _norm(norm, wide, rngs)
        self.activation = activation if layer == "conv" else None

    def __call__(self, x_nhwc: Array, *, train: bool) -> Array:
        x_nhwc = max_pool(self.conv1(x_nhwc))
        x_nhwc = normalised_by(self.norm1, x_nhwc, train=train, activation=self.activation)
        return normalised_by(self.norm2, self.conv2(x_nhwc), train=train, activation=self.activation)


class AirbenchEncoder(nnx.Module):
    """A whitening layer and a `Group` for each width; of the map that is left, the largest value of each channel."""

    def __init__(
        self,
        in_channels: int,
        widths: tuple[int, ...],
        *,
        layer: str,
        norm: str,
        activation: str,
        scale: float,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.stem = Whitening(in_channels, dtype=dtype)
        self.activate = ACTIVATIONS[activation]
        self.count, self.scale = len(widths), scale
        whitened = 2 * PATCH * PATCH * in_channels
        for index, (narrow, wide) in enumerate(zip((whitened, *widths), widths, strict=False)):
            setattr(self, f"block{index}", Group(narrow, wide, layer, norm, activation, dtype=dtype, rngs=rngs))

    def fit(self, images: NDArray[np.float32]) -> None:
        """Whitens the patches of these training images, (n, h, w, in_channels) normalised."""
        self.stem.kernel[...] = jnp.asarray(whitening_filters(images))

    def __call__(self, x_nhwc: Array, *, dropout_keys: Array | None = None) -> Array:
        """Normalised images (n, h, w, in_channels) to representations (n, widths[-1]), float32.

        Keys say that this is a training pass: batch norm takes the statistics of the batch. Nothing is dropped.
        """
        x_nhwc = self.activate(self.stem(x_nhwc))
        for index in range(self.count):
            x_nhwc = getattr(self, f"block{index}")(x_nhwc, train=dropout_keys is not None)
        return raised(x_nhwc.max(axis=(1, 2))) * self.scale


def max_pool(x_nhwc: Array) -> Array:
    """The largest of each 2×2 window; an odd last row or column is left out, a map of one pixel stays."""
    n, h, w, c = x_nhwc.shape
    rows, columns = max(1, h // 2), max(1, w // 2)
    high, wide = min(2, h), min(2, w)
    return _largest(x_nhwc[:, : rows * high, : columns * wide].reshape(n, rows, high, columns, wide, c))


@jax.custom_vjp
def _largest(windows: Array) -> Array:
    """(n, rows, high, columns, wide, c) to (n, rows, columns, c); pixels that are equally large share the gradient.

    Pixel by pixel, each way: a CPU takes several times as long over XLA's sums along `high` and `wide`, and runs the
    gradient of its windows (select and scatter) in one thread.
    """
    largest: Array = reduce(jnp.maximum, _pixels(windows))
    return largest


def _pixels(windows: Array) -> list[Array]:
    """Each pixel of all windows: (n, rows, columns, c)."""
    _, _, high, _, wide, _ = windows.shape
    lines = [jax.lax.index_in_dim(windows, i, axis=2, keepdims=False) for i in range(high)]
    return [jax.lax.index_in_dim(line, j, axis=3, keepdims=False) for line in lines for j in range(wide)]


def _largest_forward(windows: Array) -> tuple[Array, tuple[Array, Array]]:
    largest = _largest(windows)
    return largest, (windows, largest)


def _largest_backward(kept: tuple[Array, Array], gradient: Array) -> tuple[Array]:
    windows, largest = kept
    count = sum((pixel == largest).astype(jnp.float32) for pixel in _pixels(windows))
    share = (gradient / count).astype(windows.dtype)
    return (jnp.where(windows == _spread(largest), _spread(share), 0),)


def _spread(x_nrqc: Array) -> Array:
    return x_nrqc[:, :, None, :, None, :]


_largest.defvjp(_largest_forward, _largest_backward)


def _layer(kind: str, narrow: int, wide: int, dtype: DTypeLike | None, rngs: nnx.Rngs) -> Conv | YatConv:
    if kind == "yat":
        return YatConv(narrow, wide, 3, dtype=dtype, rngs=rngs)
    return Conv(narrow, wide, 3, use_bias=False, rounded=True, dtype=dtype, rngs=rngs)


def _identity(layer: Any) -> Any:
    """The layer with its first filters as the identity: output c begins as input c, as far as there are inputs."""
    kernel = layer.kernel[...]
    rows, columns, narrow, wide = kernel.shape
    count = min(narrow, wide)
    dirac = jnp.zeros((rows, columns, narrow, count)).at[rows // 2, columns // 2].set(jnp.eye(narrow, count))
    layer.kernel[...] = kernel.at[..., :count].set(dirac)
    return layer


def _norm(kind: str, features: int, rngs: nnx.Rngs) -> Any:
    if kind == "batch":
        return nnx.BatchNorm(features, momentum=MOMENTUM, epsilon=1e-12, use_scale=False, rngs=rngs)
    return nnx.GroupNorm(features, num_groups=norm_groups(features), rngs=rngs)
