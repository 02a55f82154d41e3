"""Timing that a noisy machine spoils less: rivals take turns, and the best turn of each counts."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

from simo2_core.compiling import jit


def best_of_each(rivals: Mapping[str, Callable[..., Any]], *operands: Any, seconds: float = 0.5) -> dict[str, float]:
    """Milliseconds of each rival on the same operands, compiled as networks are: `seconds` and three turns at least."""
    compiled = {name: jit(rival).lower(*operands).compile() for name, rival in rivals.items()}
    turns: dict[str, list[float]] = {name: [] for name in rivals}
    for call in compiled.values():
        jax.block_until_ready(call(*operands))
    while waiting := [name for name, spent in turns.items() if len(spent) < 3 or sum(spent) < seconds]:
        for name in waiting:
            start = time.perf_counter()
            jax.block_until_ready(compiled[name](*operands))
            turns[name].append(time.perf_counter() - start)
    return {name: 1e3 * min(spent) for name, spent in turns.items()}
