"""How programs with convolutions are compiled: as `jax.jit` does, but for one choice of XLA's on a CPU.

There XLA hands convolutions to the library YNNPACK, which runs each on one thread (jaxlib 0.10), or on several but
slower than Eigen (0.12). Products and sums, which it is quick at, stay with it. A step of the `fashion_mnist` preset on
2 cores, 478 ms: 1.6 times that with YNNPACK's convolutions in jax 0.10.2, 1.4 times in 0.12.0.1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax

_PRODUCTS_AND_SUMS = {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT,LIBRARY_FUSION_TYPE_REDUCE",
}


def jit(function: Callable[..., Any], **settings: Any) -> Any:
    """`jax.jit` of a function that runs a network; not to be called inside another."""
    return jax.jit(function, compiler_options=compiler_options(jax.default_backend()), **settings)


@lru_cache
def compiler_options(backend: str) -> dict[str, str]:
    """XLA's options for programs with convolutions: none but on a CPU, and none where XLA does not know them."""
    if backend != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=_PRODUCTS_AND_SUMS).lower().compile()
    except jax.errors.JaxRuntimeError:  # an older one has no such library, a newer one may name it otherwise
        return {}
    return _PRODUCTS_AND_SUMS
