"""Whether products come out right on this device: two programs that a compiler has got wrong.

Both are harmless to look at, and a network or a loss can hold either. With jaxlib 0.10.2 and its defaults on a CPU the
first is off by 4% and the second not a number (https://github.com/jax-ml/jax/issues/39103).

Shape letters: n rows, b matrices of i×k; d dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from simo2_core.compiling import compiler_options, jit
from simo2_core.errors import WrongNumbersError

Floats = NDArray[np.floating[Any]]

ALLOWED = 1e-5
"""Largest error of a right float32 result, as a share of its largest entry."""
_ROWS = 2**15 + 1
"""One more than the rows at which the first pattern turns wrong."""


def squares_of_products(x_nd: Array, matrix_dd: Array) -> Array:
    """(n,) the squared length of each row after a product."""
    return jax.vmap(lambda x_d: jnp.sum((matrix_dd @ x_d) ** 2))(x_nd)


def products_with_spread_values(matrices_bik: Array, values_b: Array) -> Array:
    """(b,) sums of a matrix times a value spread out over one, entry by entry times the matrix."""
    spread_bik = jnp.broadcast_to(values_b[:, None, None], matrices_bik.shape)
    return jnp.sum((matrices_bik @ spread_bik) * matrices_bik, axis=(1, 2))


def largest_errors() -> dict[str, float]:
    """The largest error of each pattern against float64, as a share of its largest entry; NaN where it is one."""
    draw = np.random.default_rng(0)
    rows = draw.standard_normal((_ROWS, 3), np.float32), draw.standard_normal((3, 3), np.float32)
    batch = draw.standard_normal((5, 60, 60), np.float32), draw.standard_normal(5, np.float32)
    x_nd, matrix_dd = (array.astype(np.float64) for array in rows)
    matrices_bik, values_b = (array.astype(np.float64) for array in batch)
    squares_n = ((x_nd @ matrix_dd.T) ** 2).sum(axis=1)
    sums_b = (matrices_bik.sum(axis=2) ** 2).sum(axis=1) * values_b
    return {
        "squares of products": _error(squares_of_products, rows, squares_n),
        "products with spread values": _error(products_with_spread_values, batch, sums_b),
    }


def _error(pattern: Callable[..., Array], operands: tuple[Floats, Floats], right: NDArray[np.float64]) -> float:
    with jax.default_matmul_precision("highest"):  # the 1e-3 of a GPU's TF32 is no mistake of a compiler's
        found = np.asarray(jit(pattern)(*operands), np.float64)
    return float(np.max(np.abs(found - right)) / np.max(np.abs(right)))


def require_right_products(errors: Mapping[str, float] | None = None) -> None:
    """Raises WrongNumbersError where a pattern comes out wrong on this device; `errors` are its `largest_errors`."""
    errors = largest_errors() if errors is None else errors
    wrong = {name: error for name, error in errors.items() if not error <= ALLOWED}
    if wrong:
        found = ", ".join(f"{name} are off by {error:.1e}" for name, error in wrong.items())
        raise WrongNumbersError(
            f"this machine is not fit to train on: jax {jax.__version__} on {jax.default_backend()} computes wrong, "
            f"{found}; at most {ALLOWED:.0e} is allowed. Install another jax; proven right: "
            "pip install 'jax==0.10.2'."
        )


def products_in_force() -> str:
    """How the device's products are made, for `simo2 bench`: the option that XLA was given."""
    platform = jax.default_backend()
    options = compiler_options(platform)
    return ", ".join(f"{name}={value}" for name, value in options.items()) or f"XLA's default on {platform}"
