"""Which precision `auto` stands for on a CPU: what a short trial of the network's own convolutions finds faster.

Decided once, by the first start of a run, and written into its settings: a run that goes on does not ask again. On
other devices `simo2_core.model.build.compute_dtype` says it without a trial, and where nothing is decided here.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from simo2_core.compiling import jit
from simo2_core.config import Config
from simo2_core.model.conv import Convolution, convolve, heard
from simo2_core.model.network import Network
from simo2_core.processor import has_one_cpu, multiplies_bfloat16

WORTHWHILE = 0.9
"""Of float32's time: what bfloat16 must stay below. A step does more than convolve, and its rounding is no gift."""
_LEAST_OPERATIONS = 4e9
"""Of all convolutions, forward, of a batch: below that a run is over sooner than it is worth to ask."""
_IMAGES = 32
_PRECISIONS = ("float32", "bfloat16")
_TURNS = 6
"""Of each precision, by turns: those that something disturbed count for nothing."""
_CLOSE = 1.2
"""Of float32's time: where bfloat16 took less than that and was not worthwhile, it is asked again.

Who shares the processor's memory or its cores disturbs every turn of some seconds, and bfloat16 more: on a rented
machine one start in eight found 1.02 where the others found 0.78 (67 and 66 ms for 42 and 54; 2026-11-29).
"""
_ROUNDS, _PAUSE = 4, 3.0
"""At most, and seconds between two."""
_HEAVIEST = 4
"""Shapes of convolution that are tried, those of most operations: to compile one takes a second."""


def decide(config: Config, image_shape: tuple[int, int, int], batch_size: int) -> tuple[Config, str | None]:
    """The settings with the precision decided, and for people what decided it; as they are where there is no choice."""
    if config.model.precision != "auto" or not (has_one_cpu() and multiplies_bfloat16()):
        return config, None
    shapes = _convolutions(config, image_shape, batch_size)
    operations = {shape: times * _operations(shape) for shape, times in shapes.items()}
    if sum(operations.values()) < _LEAST_OPERATIONS:
        return config, None
    tried = sorted(shapes, key=lambda shape: (-operations[shape], shape))[:_HEAVIEST]
    spent = time_of_convolutions(tuple((shape, shapes[shape]) for shape in tried))
    share = spent["bfloat16"] / spent["float32"]
    chosen = "bfloat16" if share < WORTHWHILE else "float32"
    why = (
        f"{chosen}: in bfloat16 its largest convolutions took {share:.2f} of float32's time here, "
        f"{1e3 * spent['bfloat16']:.0f} and {1e3 * spent['float32']:.0f} ms"
    )
    return config.replace({"precision": chosen}), why


def _convolutions(config: Config, image_shape: tuple[int, int, int], batch_size: int) -> Counter[Convolution]:
    network, params, stats = Network.build_abstract(config.model, image_shape[2])

    def infer(params: Any, stats: Any) -> Any:
        return network.infer(params, stats, jnp.zeros((batch_size, *image_shape)))

    with heard() as shapes:
        jax.eval_shape(infer, params, stats)
    return Counter(shapes)


def _operations(shape: Convolution) -> float:
    n, height, width, _ = shape.x
    return 2.0 * n * height * width * math.prod(shape.kernel) / math.prod(shape.strides)


@lru_cache
def time_of_convolutions(shapes: tuple[tuple[Convolution, int], ...]) -> dict[str, float]:
    """Seconds of convolutions and their gradients by precision, in turns, the best of each.

    The runs of a comparison that have one network have one answer.
    """
    trials = [_Trial(shape, times) for shape, times in shapes]
    for left in reversed(range(_ROUNDS)):
        for trial in trials:
            trial.take_turns()
        spent = {dtype: sum(trial.times * trial.best[dtype] for trial in trials) for dtype in _PRECISIONS}
        if not WORTHWHILE <= spent["bfloat16"] / spent["float32"] < _CLOSE:
            break
        if left:
            time.sleep(_PAUSE)
    return spent


class _Trial:
    """Of one convolution that a batch takes some times: its programs, and the best seconds of one call so far."""

    def __init__(self, shape: Convolution, times: int) -> None:
        self.times = times
        self.operands = _operands(shape)
        self.programs = {dtype: jit(_both_ways(shape, dtype)).lower(*self.operands).compile() for dtype in _PRECISIONS}
        self.best = dict.fromkeys(_PRECISIONS, math.inf)

    def take_turns(self) -> None:
        for program in self.programs.values():
            _time(program, self.operands)  # the first call is slower than those that count
        for _ in range(_TURNS):
            for dtype, program in self.programs.items():
                self.best[dtype] = min(self.best[dtype], _time(program, self.operands))


def _operands(shape: Convolution) -> tuple[Any, Any]:
    draw = np.random.default_rng(0)
    x = draw.standard_normal((min(_IMAGES, shape.x[0]), *shape.x[1:]), np.float32)
    return jnp.asarray(x), jnp.asarray(draw.standard_normal(shape.kernel, np.float32))


def _both_ways(shape: Convolution, dtype: str) -> Callable[..., Any]:
    def run(x: Any, kernel: Any) -> Any:
        def layer(x: Any, kernel: Any) -> Any:
            return convolve(x.astype(dtype), kernel.astype(dtype), shape.strides, shape.padding)

        y, transpose = jax.vjp(layer, x, kernel)
        return transpose(y)

    return run


def _time(program: Callable[..., Any], operands: tuple[Any, Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(program(*operands))  # type: ignore[no-untyped-call]
    return time.perf_counter() - start
