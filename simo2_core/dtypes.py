"""What arrays are computed in. Importing this file must stay instant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jax import Array


def raised(array: Array) -> Array:
    """`array` in float32 where it has less, for sums and exponentials."""
    import jax.numpy as jnp

    return array.astype(jnp.promote_types(array.dtype, jnp.float32))
