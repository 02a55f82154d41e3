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
_DRAWS, _TURNS = 3, 4
"""Of operands, and of each precision with them: turns that are disturbed, and the slow first ones, count for nothing.
It still chooses float32 on a first start, just after these programs are compiled: 67 and 67 ms there, 42 and 54 on
later ones (2026-11-29). Why is not known.
"""
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
    spent = {"float32": 0.0, "bfloat16": 0.0}
    for shape, times in shapes:
        operands = _operands(shape)
        programs = {dtype: jit(_both_ways(shape, dtype)).lower(*operands).compile() for dtype in spent}
        turns: list[dict[str, float]] = []
        for _ in range(_DRAWS):
            operands = _operands(shape)
            for program in programs.values():
                _time(program, operands)  # the first call is slower than those that count
            turns += [{dtype: _time(program, operands) for dtype, program in programs.items()} for _ in range(_TURNS)]
        for dtype in spent:
            spent[dtype] += times * min(turn[dtype] for turn in turns)
    return spent


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
