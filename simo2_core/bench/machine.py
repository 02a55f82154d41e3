"""What the device can do at most, and how long its compiler takes."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.experimental.compilation_cache.compilation_cache import reset_cache
from jax.typing import DTypeLike

from simo2_core.compiling import jit

_SIDE = {"cpu": 1024}
"""Rows of the matrices whose product is timed: 4 MB each, or far more where the device is an accelerator."""
_ACCELERATOR_SIDE = 8192


def make_products(dtype: DTypeLike) -> tuple[Callable[[int], object], float]:
    """Products of large square matrices in `dtype`, and the floating-point operations of one.

    Their speed is the peak that a step is held against: the device can hardly do anything faster.
    """
    side = _SIDE.get(jax.default_backend(), _ACCELERATOR_SIDE)
    left = jax.random.normal(jax.random.key(0), (side, side), jnp.float32).astype(dtype) / side**0.5

    @jit
    def products(x: Array, n: Array) -> Any:
        return jax.lax.fori_loop(0, n, lambda _, y: jnp.matmul(left, y), x)

    return lambda n: products(left, jnp.int32(n)).block_until_ready(), 2.0 * side**3


@contextlib.contextmanager
def empty_compilation_cache() -> Iterator[None]:
    """While it lasts, jax keeps compiled programs in a new folder, which is deleted afterwards."""
    name = "jax_compilation_cache_dir"
    before = jax.config.values[name]
    with tempfile.TemporaryDirectory(prefix="simo2-bench-") as folder:
        try:
            _keep_programs_in(folder)
            yield
        finally:
            _keep_programs_in(before)


def _keep_programs_in(folder: str | None) -> None:
    jax.config.update("jax_compilation_cache_dir", folder)  # type: ignore[no-untyped-call]
    reset_cache()  # jax looks at the setting once


def compile_twice(make: Callable[[], Any]) -> tuple[Any, float, float]:
    """What `make` compiles, the seconds that took, and those of a second start, which finds it in the cache.

    Call it inside `empty_compilation_cache`.
    """
    start = time.perf_counter()
    make()
    cold = time.perf_counter() - start
    jax.clear_caches()  # type: ignore[no-untyped-call]
    start = time.perf_counter()
    compiled = make()
    return compiled, cold, time.perf_counter() - start


def device_peak_bytes() -> int | None:
    """The most memory that this process has had on the device; None where the device does not count."""
    stats = jax.devices()[0].memory_stats()
    return int(stats["peak_bytes_in_use"]) if stats and "peak_bytes_in_use" in stats else None
