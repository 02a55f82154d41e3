"""How every program is compiled: as `jax.jit` does, but for one choice of XLA's on a CPU.

There XLA fuses products and sums into calls of the library YNNPACK, and some of these fusions give wrong numbers
without a word: a product whose result is summed over, of more than 32,768 rows (jaxlib 0.10.2;
https://github.com/jax-ml/jax/issues/39103), and a batch of matrices times a value that was spread out (0.10.2 and
0.12.0.1). Products handed over one at a time are right in both; in 0.7.0, which has no such option, everything is.
`simo2_core.bench.products` holds the device that is used to both patterns.

Convolutions stay out of that library as well, which runs each on one thread (0.10), or on several but slower than Eigen
(0.12). A step of the `fashion_mnist` preset on 2 cores, 478 ms: 1.6 times that with YNNPACK's convolutions in jax
0.10.2, 1.4 times in 0.12.0.1.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import jax

from simo2_core.errors import ConfigError

_ONE_PRODUCT_AT_A_TIME = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}


_UNFIT = {
    "jax_enable_x64": "JAX_ENABLE_X64 is on, and simo2 trains in float32",
    "jax_disable_jit": "JAX_DISABLE_JIT is on, and simo2 compiles every program",
}
"""Switches of jax that nothing here works with, and what to say of each."""


def require_device() -> None:
    """Raises ConfigError when jax is told to use a kind of device that this machine has not, or it cannot start it.

    Or when it is told what no program of simo2 works with. jax itself raises what its back end happens to raise, an
    AssertionError for a missing GPU, and only when it is used.
    """
    for name, said in _UNFIT.items():
        if getattr(jax.config, name):
            raise ConfigError(f"{said}. Unset it, or jax.config.update({name!r}, False).")
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        wanted = os.environ.get("JAX_PLATFORMS") or jax.config.values.get("jax_platforms")
        why = f" ({str(error).splitlines()[0].rstrip('.')[:200]})" if str(error) else ""
        raise ConfigError(
            f"JAX_PLATFORMS is {wanted!r}, and jax finds no such device on this machine{why}. Unset JAX_PLATFORMS to "
            "take what there is; a GPU needs pip install 'simo2[cuda]' as well."
        ) from error


@contextlib.contextmanager
def exact_products() -> Iterator[None]:
    """Inside, what is traced multiplies in all of float32, which a GPU left to itself rounds to 10 bits (TF32).

    For what is small and sensitive: a loss, a classifier, the projection. Convolutions are as `--precision` has them.
    """
    with contextlib.nullcontext() if jax.default_backend() == "cpu" else jax.default_matmul_precision("highest"):
        yield


def jit(function: Callable[..., Any], *, platform: str | None = None, **settings: Any) -> Any:
    """`jax.jit` of a function, with options that give right numbers; not to be called inside another.

    Args:
        platform: the kind of device that runs it: by default the one that jax prefers, which it starts.
        settings: those of `jax.jit`.
    """
    return jax.jit(function, compiler_options=compiler_options(platform or jax.default_backend()), **settings)


@lru_cache
def compiler_options(platform: str) -> dict[str, str]:
    """XLA's options for every program: none but on a CPU, and none where XLA does not know them."""
    if platform != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=_ONE_PRODUCT_AT_A_TIME).lower().compile()
    except jax.errors.JaxRuntimeError:  # an older one has no such library, a newer one may name it otherwise
        return {}
    return _ONE_PRODUCT_AT_A_TIME
