"""The devices that train together: one mesh whose only axis divides the batch.

Weights, optimiser and images of the data set are whole on every device; activations are not. The data set is not
divided because a batch is drawn from all of it: from a divided one, each device would have to be sent most of its
images in every step, and what is too large for one device is fetched from the host anyway.

    rows of a batch ─ images, augmentation, encoder: each device its share ─ embeddings, gathered ─ loss: on each, all
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from simo2_core.model.network import Arrays

AXIS = "batch"

Pass = Callable[[Array, Array], tuple[Array, Array, Arrays]]
"""(images, dropout keys) to (representation, embedding, new stats)."""


def all_devices() -> Mesh:
    """Every device of every process."""
    return Mesh(np.array(jax.devices()), (AXIS,), axis_types=(AxisType.Auto,))


def whole(mesh: Mesh) -> NamedSharding:
    """Of an array that every device has all of."""
    return _sharding(mesh)


def put_whole(tree: Any, mesh: Mesh) -> Any:
    """Arrays, which every process has the same of, whole on every device."""

    def put(value: Any) -> Array:
        value = np.asarray(value)
        return jax.make_array_from_callback(value.shape, whole(mesh), lambda index: value[index])

    return jax.tree.map(put, tree)


def on_one_device(tree: Any) -> Any:
    """Arrays that are whole on every device, as this process's first device has them; nothing is copied."""
    return jax.tree.map(lambda array: array.addressable_data(0), tree)


def by_image(mesh: Mesh, images: int) -> NamedSharding:
    """Of the batches of many steps, (S, images, …): to each device its share, or all where it cannot be even."""
    return whole(mesh) if images % mesh.size else _sharding(mesh, None, AXIS)


def share_out(x: Array, mesh: Mesh) -> Array:
    """Inside jit: divides the first axis among the devices, or leaves it to XLA where they cannot share it evenly."""
    if x.shape[0] % mesh.size:
        return x
    return _constrain(x, _sharding(mesh, AXIS))


def gather(x: Array, mesh: Mesh) -> Array:
    """Inside jit: gives every device all of it."""
    return _constrain(x, whole(mesh))


def _sharding(mesh: Mesh, *axes: str | None) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec(*axes))  # type: ignore[no-untyped-call]


def _constrain(x: Array, sharding: NamedSharding) -> Array:
    constrained: Array = jax.lax.with_sharding_constraint(x, sharding)  # type: ignore[no-untyped-call]
    return constrained


def divide(images: int, chunk_size: int, devices: int) -> tuple[int, int]:
    """How a batch is embedded: in how many chunks of how many images.

    Each chunk is a multiple of `devices`; nearly alike, they hold no more than `chunk_size` (0 for all) where that
    is a multiple of `devices` too, and together at least `images`.
    """
    chunks = -(-images // (chunk_size or images))
    size = -(-images // (chunks * devices)) * devices
    return -(-images // size), size


def embed_in_chunks(one: Pass, images: Array, keys: Array, chunk_size: int, mesh: Mesh) -> tuple[Array, Array, Arrays]:
    """A training pass over a batch, in chunks whose activations are computed again for the gradient.

    So the memory of activations is that of one chunk. The result is that of one pass, as long as no image has an
    influence on another's; where it has, there must be one chunk without a remainder.

    Args:
        one: the pass over some of the images.
        images: (N, H, W, ch).
        keys: (N,) typed keys.

    Returns: (N, F) representations, (N, D) embeddings on every device, and the new `stats` of the last chunk.
    """
    count = images.shape[0]
    chunks, size = divide(count, chunk_size, mesh.size)

    def share(images: Array, keys: Array) -> tuple[Array, Array, Arrays]:
        return one(share_out(images, mesh), share_out(keys, mesh))

    images, keys = (_fill(x, chunks * size) for x in (images, keys))
    if chunks == 1:
        h_nf, z_nd, stats = share(images, keys)
    else:
        deal = (_deal(images, chunks), _deal(keys, chunks))
        h_mnf, z_mnd, stats_m = jax.lax.map(jax.checkpoint(lambda chunk: share(*chunk)), deal)
        h_nf, z_nd = _collect(h_mnf), _collect(z_mnd)
        stats = jax.tree.map(lambda every: every[-1], stats_m)
    return h_nf[:count], gather(z_nd[:count], mesh), stats


def _fill(x: Array, count: int) -> Array:
    """Repeats images until there are `count`: no gradient comes back from what is cut off again."""
    if x.shape[0] == count:
        return x
    return jnp.concatenate([x] * -(-count // x.shape[0]))[:count]


def _deal(x: Array, chunks: int) -> Array:
    """(chunks, size, …), like cards: a chunk has as many images from each device's share, which stay there."""
    return x.reshape(-1, chunks, *x.shape[1:]).swapaxes(0, 1)


def _collect(x: Array) -> Array:
    return x.swapaxes(0, 1).reshape(-1, *x.shape[2:])
