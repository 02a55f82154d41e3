"""Batches for a data set that does not live on the device: fetched in chunks of steps, the next while this one trains.

Chunk i holds the images of steps [i*S, (i+1)*S), drawn by the same function of (key, step) that draws on the device.
So a run trains on the same images wherever they live, and resuming in the middle of a chunk is arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Sharding, SingleDeviceSharding
from numpy.typing import NDArray

from simo2_core.compiling import jit
from simo2_core.config import WITH_REPLACEMENT
from simo2_core.data.dataset import DataPart
from simo2_core.data.sampler import Draw, draw_batch

CHUNK_BYTES = 64_000_000
"""Images of one chunk: two of them are on the device at any time, which even a small one has room for."""
MAX_CHUNK = 64
"""Most steps of a chunk: small images should not make the first chunk wait for thousands of reads."""


def chunk_steps(batch_bytes: int) -> int:
    """S, the steps whose images are fetched at once."""
    return max(1, min(MAX_CHUNK, CHUNK_BYTES // batch_bytes))


class Chunks:
    """The images of each chunk of steps on the device, double-buffered. Close it to end its thread."""

    def __init__(
        self,
        part: DataPart,
        key: Array,
        *,
        classes_per_batch: int,
        samples_per_class: int,
        sampling: str = WITH_REPLACEMENT,
        steps: int | None = None,
        place: Callable[[int], Sharding] | None = None,
    ) -> None:
        """Names what to fetch; the first `get` begins.

        Args:
            key: a typed key, the one that the run draws its batches with.
            sampling: one of `simo2_core.config.SAMPLINGS`.
            steps: S; None chooses it by the size of a batch.
            place: where the images go, told how many a batch has; only what this process's devices get of them is
                read. By default to the first device.
        """
        self.batch = classes_per_batch * samples_per_class
        self._sharding = place(self.batch) if place else SingleDeviceSharding(jax.local_devices()[0])
        self.steps = steps or chunk_steps(self.batch * int(np.prod(part.images.shape[1:])))
        self._images = part.images
        self._rows = _row_function(
            partial(
                draw_batch,
                classes_per_batch=classes_per_batch,
                samples_per_class=samples_per_class,
                sampling=sampling,
            ),
            key,
            part,
            self.steps,
        )
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="simo2-fetch")
        self._coming: dict[int, Future[Array]] = {}

    def get(self, chunk: int) -> Array:
        """(S, batch, H, W, ch) uint8 on the devices, waiting for it where it has to; begins with the next one."""
        for index in (chunk, chunk + 1):
            if index not in self._coming:
                self._coming[index] = self._pool.submit(self._fetch, index)
        for index in [index for index in self._coming if index not in (chunk, chunk + 1)]:
            self._coming.pop(index).cancel()
        return self._coming[chunk].result()

    def _fetch(self, chunk: int) -> Array:
        rows = self._rows(chunk)
        shape = (*rows.shape, *self._images.shape[1:])

        def share(index: tuple[slice, ...] | None) -> NDArray[np.uint8]:
            return self._read(rows[index[:2]] if index else rows)

        images: Array = jax.make_array_from_callback(shape, self._sharding, share)
        return images.block_until_ready()

    def read(self, chunk: int) -> NDArray[np.uint8]:
        """(S, batch, H, W, ch) the images of a chunk, on the host."""
        return self._read(self._rows(chunk))

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        # ascending rows: a disk, and the page cache, like one direction; repeated rows are read once
        unique, where = np.unique(rows, return_inverse=True)
        return np.ascontiguousarray(np.asarray(self._images[unique])[where.reshape(rows.shape)])

    def close(self) -> None:
        """Ends the thread."""
        self._pool.shutdown(cancel_futures=True)


def _row_function(
    draw: Callable[..., Draw], key: Array, part: DataPart, steps: int
) -> Callable[[int], NDArray[np.int64]]:
    try:
        host: Any = jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX_PLATFORMS leaves only the accelerator: it draws the same rows
        host = jax.local_devices()[0]
    on_host = partial(jax.device_put, device=host)
    key, offsets, counts = on_host(key), on_host(part.offsets.astype(np.int32)), on_host(part.counts.astype(np.int32))

    def rows_of(first: Array) -> Array:
        def rows(step: Array) -> Array:
            return draw(key, step, offsets, counts).rows

        drawn: Array = jax.lax.map(rows, first + jnp.arange(steps, dtype=jnp.int32))
        return drawn

    compiled = jit(rows_of, platform=host.platform)

    def rows_of_chunk(chunk: int) -> NDArray[np.int64]:
        return np.asarray(compiled(on_host(np.int32(chunk * steps)))).astype(np.int64)

    return rows_of_chunk
