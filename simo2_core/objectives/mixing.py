"""Mixing: the encoder sees two images of a batch as one, and the target is both classes, each by its share.

Of each image a share λ stays, drawn from Beta(α, α); the rest is that of another image of the batch, each of which is
used once. With `mixup` every pixel is the weighted mean of the two, with `cutmix` a rectangle is the other's, and the
share is that of the pixels.

Sources: Zhang et al., "mixup: Beyond Empirical Risk Minimization", arXiv 1710.09412; Yun et al., "CutMix", arXiv
1905.04899. There one λ is drawn for a batch; here one for each image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from jax import Array

NONE, MIXUP, CUTMIX = "none", "mixup", "cutmix"


class Mix(NamedTuple):
    """What becomes of the N images of a batch."""

    other: Array
    """(N,) int32, the row of the image that comes in: a permutation."""
    share: Array
    """(N,) float32, how much of the image stays."""
    pasted: Array | None
    """(N, H, W) bool, the pixels that are the other's; None where all are the mean of both."""


def draw_mix(key: Array, shape: tuple[int, ...], kind: str, alpha: float) -> Mix:
    """Draws how (N, H, W, ch) images are mixed: the same for the same key."""
    import jax
    import jax.numpy as jnp

    count, height, width, _ = shape
    order, shares, corners = jax.random.split(key, 3)
    other = jax.random.permutation(order, count)
    share = jax.random.beta(shares, alpha, alpha, (count,))
    if kind == MIXUP:
        return Mix(other, share, None)
    sizes = jnp.asarray([[height, width]])
    centre = jax.random.uniform(corners, (count, 2)) * sizes
    half = jnp.sqrt(1 - share)[:, None] * sizes / 2
    first, last = jnp.round(centre - half), jnp.round(centre + half)  # may reach outside, as in the source
    rows, columns = (
        (jnp.arange(size)[None, :] >= first[:, axis, None]) & (jnp.arange(size)[None, :] < last[:, axis, None])
        for axis, size in ((0, height), (1, width))
    )
    pasted = rows[:, :, None] & columns[:, None, :]
    return Mix(other, 1 - pasted.mean(axis=(1, 2), dtype=jnp.float32), pasted)


def mixed(images: Array, mix: Mix) -> Array:
    """(N, H, W, ch) images as the encoder sees them."""
    import jax.numpy as jnp

    if mix.pasted is None:
        return averaged(images, mix)
    return jnp.where(mix.pasted[..., None], images[mix.other], images)


def averaged(rows: Array, mix: Mix) -> Array:
    """(N, …) rows, each the mean of its own and the other's by their shares."""
    share = mix.share.reshape(-1, *[1] * (rows.ndim - 1)).astype(rows.dtype)
    return share * rows + (1 - share) * rows[mix.other]
