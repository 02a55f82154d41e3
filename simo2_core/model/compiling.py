"""How programs with convolutions are compiled: as `jax.jit` does, but for one choice of XLA's on a CPU.

There XLA hands convolutions to the library YNNPACK, which runs each on one thread (jaxlib 0.10), or on several but
slower than Eigen (0.12). Products and sums, which it is quick at, stay with it. A step of the `fashion_mnist` preset on
2 cores, 478 ms: 1.6 times that with YNNPACK's convolutions in jax 0.10.2, 1.4 times in 0.12.0.1.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax

from simo2_core.errors import ConfigError

_PRODUCTS_AND_SUMS = {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT,LIBRARY_FUSION_TYPE_REDUCE",
}


def require_device() -> None:
    """Raises ConfigError when jax is told to use a kind of device that this machine has not, or it cannot start it.

    jax itself raises what its back end happens to raise, an AssertionError for a missing GPU, and only when it is used.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        wanted = os.environ.get("JAX_PLATFORMS") or jax.config.values.get("jax_platforms")
        why = f" ({str(error).splitlines()[0].rstrip('.')[:200]})" if str(error) else ""
        raise ConfigError(
            f"JAX_PLATFORMS is {wanted!r}, and jax finds no such device on this machine{why}. Unset JAX_PLATFORMS to "
            "take what there is; a GPU needs pip install 'simo2[cuda]' as well."
        ) from error


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
