"""What the processor can do, as the operating system says it."""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
_BFLOAT16 = {"avx512_bf16", "amx_bf16"}


@lru_cache
def features() -> str:
    """Its line of features, where Linux has one; else its name."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def has_one_cpu() -> bool:
    """Whether jax computes on a processor, and on it alone: arrays are then in one piece."""
    import jax

    return jax.default_backend() == "cpu" and jax.device_count() == 1


@lru_cache
def multiplies_bfloat16() -> bool:
    """Whether it has units for products of bfloat16, and the jax that is installed feeds them.

    With jaxlib 0.10.2 products over patches are slower than the plain convolution in float32 but from 256 channels on.
    """
    import jax

    return not _BFLOAT16.isdisjoint(features().split()) and jax.__version_info__ >= (0, 12)
