"""Vision transformers as DINOv2 and DINOv3 have them: a class token, registers, LayerScale.

Sources: Dosovitskiy et al., arXiv 2010.11929; Oquab et al., "DINOv2", arXiv 2304.07193; Darcet et al., "Vision
Transformers Need Registers", arXiv 2309.16588; Siméoni et al., "DINOv3", arXiv 2508.10104 (rotary positions).

Shape letters: n images, h×w grid of patches, t tokens of c features, a heads of d features each.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from jax.typing import DTypeLike
from numpy.typing import NDArray

from simo2_core.errors import ConfigError
from simo2_core.model.conv import Conv
from simo2_core.model.initial import lecun_normal
from simo2_core.model.layers import Dense, LayerNorm, Mlp, scaled

FIRST_SCALE = 1e-5
"""What LayerScale begins as."""
ROPE_BASE = 100.0
"""The longest period of rotary positions, in units of the image's side."""

Rotation = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Cosine and sine of each patch, (patches, d) each."""


class Attention(nnx.Module):
    """Multi-head self-attention, query, key and value from one product."""

    def __init__(self, features: int, heads: int, *, dtype: DTypeLike | None, rngs: nnx.Rngs) -> None:
        self.heads = heads
        self.dtype = dtype
        self.qkv = Dense(features, 3 * features, dtype=dtype, rngs=rngs)
        self.proj = Dense(features, features, dtype=dtype, rngs=rngs)

    def __call__(self, x_ntc: Array, rotation: Rotation | None) -> Array:
        """(n, t, c) to (n, t, c); `rotation` turns queries and keys of the last tokens, which are the patches."""
        n, t, c = x_ntc.shape
        # a bias of all keys says nothing until they are turned, and DINOv3 has none
        kept = None if rotation is None else np.repeat(np.array([1, 0, 1], np.float32), c)
        split = self.qkv(x_ntc, kept).reshape(n, t, 3, self.heads, c // self.heads)
        q_ntad, k_ntad, v_ntad = split[:, :, 0], split[:, :, 1], split[:, :, 2]
        if rotation is not None:
            q_ntad, k_ntad = rotate(q_ntad, rotation), rotate(k_ntad, rotation)
        dtype = self.dtype or q_ntad.dtype
        q_ntad, k_ntad, v_ntad = (x.astype(dtype) for x in (q_ntad * (c // self.heads) ** -0.5, k_ntad, v_ntad))
        wide = jnp.promote_types(dtype, jnp.float32)
        logits_natt = jnp.einsum("nqad,nkad->naqk", q_ntad, k_ntad, preferred_element_type=wide)
        weights_natt = jax.nn.softmax(logits_natt, axis=-1).astype(dtype)
        seen = jnp.einsum("naqk,nkad->nqad", weights_natt, v_ntad, preferred_element_type=wide)
        return self.proj(seen.reshape(n, t, c))


class TransformerBlock(nnx.Module):
    """Norm → attention → scale, then norm → MLP → scale, each beside the identity."""

    def __init__(self, features: int, heads: int, epsilon: float, *, dtype: DTypeLike | None, rngs: nnx.Rngs) -> None:
        self.norm1 = LayerNorm(features, epsilon, rngs=rngs)
        self.attention = Attention(features, heads, dtype=dtype, rngs=rngs)
        self.scale1 = nnx.Param(jnp.full((features,), FIRST_SCALE, jnp.float32))
        self.norm2 = LayerNorm(features, epsilon, rngs=rngs)
        self.mlp = Mlp(features, 4 * features, dtype=dtype, rngs=rngs)
        self.scale2 = nnx.Param(jnp.full((features,), FIRST_SCALE, jnp.float32))

    def __call__(self, x_ntc: Array, rotation: Rotation | None) -> Array:
        x_ntc = x_ntc + scaled(self.attention(self.norm1(x_ntc), rotation), self.scale1)
        return x_ntc + scaled(self.mlp(self.norm2(x_ntc)), self.scale2)


class ViTEncoder(nnx.Module):
    """A class token, registers and one token for each patch; one of them, or a mean of them, is the representation."""

    def __init__(
        self,
        in_channels: int,
        patch: int,
        features: int,
        layers: int,
        heads: int,
        registers: int,
        grid: int,
        *,
        pool_patches: bool = False,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        """`grid` is the side of the grid of learned positions; 0 for rotary positions.

        What a class token's own position would add is in the token itself. Patches are normalised, then pooled.
        """
        epsilon = 1e-6 if grid else 1e-5
        self.patch, self.count, self.heads = patch, layers, heads
        self.pool_patches = pool_patches
        self.stem = Conv(in_channels, features, patch, strides=patch, padding="VALID", dtype=dtype, rngs=rngs)
        self.token = nnx.Param(_small(rngs, (1, features)))
        self.registers = nnx.Param(_small(rngs, (registers, features))) if registers else None
        self.positions = nnx.Param(_small(rngs, (grid, grid, features))) if grid else None
        for index in range(layers):
            setattr(self, f"block{index}", TransformerBlock(features, heads, epsilon, dtype=dtype, rngs=rngs))
        self.final_norm = LayerNorm(features, epsilon, rngs=rngs)

    def __call__(self, x_nhwc: Array, *, dropout_keys: Array | None = None) -> Array:
        """Normalised images (n, H, W, in_channels) to representations (n, c), float32. Nothing is dropped.

        Raises:
            ConfigError: a side of the images is no multiple of the patch.
        """
        height, width = x_nhwc.shape[1:3]
        if height % self.patch or width % self.patch:
            below, above = (max(1, height // self.patch) * self.patch, -(-height // self.patch) * self.patch)
            raise ConfigError(
                f"images are {height}×{width} and this encoder cuts them into patches of {self.patch}×{self.patch}. "
                f"Use --image-size {' or '.join(str(side) for side in dict.fromkeys((below, above)))}."
            )
        patches_nhwc = self.stem(x_nhwc)
        n, h, w, c = patches_nhwc.shape
        if self.positions is not None:
            patches_nhwc = patches_nhwc + resize_positions(self.positions[...], h, w)[None]
        firsts = [self.token[...], *([] if self.registers is None else [self.registers[...]])]
        tokens = [jnp.broadcast_to(first[None], (n, *first.shape)) for first in firsts]
        x_ntc = jnp.concatenate([*tokens, patches_nhwc.reshape(n, h * w, c)], axis=1)
        rotation = rotations(h, w, c // self.heads) if self.positions is None else None
        for index in range(self.count):
            x_ntc = getattr(self, f"block{index}")(x_ntc, rotation)
        if self.pool_patches:
            return self.final_norm(x_ntc[:, -h * w :]).mean(axis=1)
        return self.final_norm(x_ntc[:, 0])


def _small(rngs: nnx.Rngs, shape: tuple[int, ...]) -> Array:
    """Normal draws of standard deviation 0.02, as tokens and positions begin."""
    count = math.prod(shape)
    return lecun_normal(rngs.params(), (count, 1)).reshape(shape) * np.float32(0.02 * math.sqrt(count))


def resize_positions(positions_hwc: Array, height: int, width: int) -> Array:
    """Learned positions for a grid of `height`×`width` patches, bicubic and antialiased, as timm resizes them."""
    if positions_hwc.shape[:2] == (height, width):
        return positions_hwc
    resized: Array = jax.image.resize(positions_hwc, (height, width, positions_hwc.shape[-1]), "cubic", antialias=True)
    return resized


def rotations(height: int, width: int, features: int) -> Rotation:
    """The rotations of a grid of patches, whose centres lie in [-1, 1] both ways, for heads of `features`."""
    rows = 2 * (np.arange(height) + 0.5) / height - 1
    columns = 2 * (np.arange(width) + 0.5) / width - 1
    frequency = 1 / ROPE_BASE ** np.arange(0, 1, 4 / features)
    centre = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    angle = 2 * np.pi * (centre[:, :, None] * frequency[None, None, :]).reshape(len(centre), -1)
    angle = np.tile(angle, 2)
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def rotate(x_ntad: Array, rotation: Rotation) -> Array:
    """Turns the last tokens, one for each row of `rotation`; those before them have no place and stay."""
    cos, sin = (table[None, :, None, :] for table in rotation)
    before = x_ntad.shape[1] - cos.shape[1]
    patches = x_ntad[:, before:]
    first, second = jnp.split(patches, 2, axis=-1)
    turned = patches * cos + jnp.concatenate([-second, first], axis=-1) * sin
    return jnp.concatenate([x_ntad[:, :before], turned], axis=1)
