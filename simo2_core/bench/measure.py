"""`simo2 bench`: how close training is to what this machine can do."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from simo2_core.bench.machine import (
    compile_twice,
    device_peak_bytes,
    empty_compilation_cache,
    make_products,
)
from simo2_core.bench.products import largest_errors, products_in_force, require_right_products
from simo2_core.bench.stages import Run, make_stages, split, time_in_turn, whole_step
from simo2_core.compiling import jit
from simo2_core.config import Config
from simo2_core.data.dataset import Dataset
from simo2_core.events import Compiled, StepsLogged
from simo2_core.model.build import compute_dtype
from simo2_core.model.tracing import as_written
from simo2_core.session import RunSession
from simo2_core.train.feed import place
from simo2_core.train.memory import program_bytes
from simo2_core.train.preparation import prepare
from simo2_core.train.step import MAX_STEPS, Data, Step, TrainState, compile_call

SECONDS = 16.0
"""About how long everything is timed, compiling apart, unless a single step is longer than its share."""
TURN_SECONDS = 0.25
"""How long the loop and the bare call are timed in turn, as long as a call of training lasts."""
LEAST_TURNS = 3


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What `simo2 bench` measured. Times in seconds a step unless they say otherwise."""

    preset: str
    device: str
    batch_size: int
    image_shape: tuple[int, int, int]
    precision: str
    """What the convolutions multiply in."""
    products: str
    """How products are made: the option that XLA was given."""
    product_errors: dict[str, float]
    """Of two programs that a compiler has got wrong, the largest error here as a share of the largest entry."""
    parameters: int
    parts: dict[str, float]
    """Seconds of each part of a step; they add up to `step`."""
    step: float
    flops: float
    """Floating-point operations of a step as it is written, each convolution as one, as XLA counts them."""
    bytes_moved: float
    """Bytes that the kernels of a step read and write, as XLA counts them."""
    peak_flops: float
    """Operations a second of a large matrix product in the precision of training, measured here."""
    program_bytes: int
    """Memory that the training call needs, the images on the device included, as XLA plans it."""
    device_peak_bytes: int | None
    """The most memory the device has held, where it counts."""
    compile_cold: float
    """Seconds to trace and compile the training call the first time."""
    compile_warm: float
    """Seconds of a second start, which finds the program in the cache."""
    turns: tuple[tuple[float, float], ...]
    """Seconds a step of the whole loop (calls, events, logs on disk), and of the compiled call alone: the mean of a
    turn just before and one just after, so that a machine whose speed drifts favours neither."""

    @property
    def mfu(self) -> float:
        """Model FLOPs utilisation: the share of `peak_flops` that a step reaches."""
        return self.flops / self.step / self.peak_flops

    @property
    def loop_overheads(self) -> list[float]:
        """The loop over the bare call of as many steps, turn by turn: what the host costs."""
        return [loop / bare for loop, bare in self.turns]

    @property
    def loop_overhead(self) -> float:
        """The median of `loop_overheads`."""
        return statistics.median(self.loop_overheads)

    @property
    def fixed_batch_overhead(self) -> float:
        """The loop over a bare call that neither draws nor augments: what data and host cost together."""
        return self.loop_overhead / (1 - (self.parts["sampling"] + self.parts["augmentation"]) / self.step)


def measure(config: Config, dataset: Dataset, report: Callable[[str], None], seconds: float = SECONDS) -> Bench:
    """Measures training with `config` on `dataset`, on images of full size where they grow over a run.

    Args:
        report: gets a few words before each thing that takes long.
        seconds: about how long to time, half of it the parts and half of it the loop.

    Raises:
        WrongNumbersError: this device, or its compiler, gets products wrong.
    """
    errors = largest_errors()
    require_right_products(errors)
    config = config.replace(
        {"steps": 10**5, "minutes": 0.0, "max_passes": 0, "patience": 0, "grow_from": 0}
        | dict.fromkeys(("eval_every", "plot_every", "checkpoint_every"), "never")
    )
    with empty_compilation_cache():
        ready = prepare(config, dataset, new=True)
        config = ready.config
        step, state = ready.begin(config)
        data = place(ready.drawn)
        report("compiling the training step")
        call, cold, warm = compile_twice(lambda: compile_call(step, state, data))
        bare = whole_step(call, state, data)
        report("compiling its parts")
        stages = make_stages(step, state, data)
        report("timing the parts")
        precision = compute_dtype(config.model.precision)
        product, product_flops = make_products(precision)
        spent = time_in_turn({**stages, "step": bare, "product": product}, seconds / 2, MAX_STEPS)
        report("timing the loop")
        turns = _time_loop(config, dataset, bare, spent["step"], seconds / 2)
        return Bench(
            preset=config.preset,
            device=f"{jax.device_count()} x {jax.devices()[0].device_kind}",
            batch_size=ready.batch_size,
            image_shape=dataset.image_shape,
            precision=str(precision),
            products=products_in_force(),
            product_errors=errors,
            parameters=sum(array.size for array in state.params.values()),
            parts=split(spent),
            step=spent["step"],
            flops=count_operations(step, state, data),
            bytes_moved=float(call.program.cost_analysis()["bytes accessed"]),
            peak_flops=product_flops / spent["product"],
            program_bytes=program_bytes(call.program),
            device_peak_bytes=device_peak_bytes(),
            compile_cold=cold,
            compile_warm=warm,
            turns=turns,
        )


def count_operations(step: Step, state: TrainState, data: Data) -> float:
    """Floating-point operations of a step: of what it is to compute, not of what a compiler makes of that.

    In a compiled program XLA does not see those of a GPU's library calls, nor how often a loop on a CPU goes round.
    """

    def one(state: TrainState, data: Data) -> Any:
        return step(state, data, step.course)

    with as_written():
        return float(jit(one).lower(state, data).cost_analysis()["flops"])


def _time_loop(
    config: Config, dataset: Dataset, bare: Run, step_seconds: float, seconds: float
) -> tuple[tuple[float, float], ...]:
    """`Bench.turns`: as many as fit into `seconds`."""
    turn = min(TURN_SECONDS, seconds / 2 / LEAST_TURNS)
    steps = max(1, min(MAX_STEPS, round(turn / step_seconds)))
    rounds = max(LEAST_TURNS, int(seconds / (2 * max(turn, step_seconds))))
    with (
        tempfile.TemporaryDirectory(prefix="simo2-bench-") as folder,
        RunSession.create(config, Path(folder), "bench", dataset=dataset, pictures=False) as session,
    ):
        events = session.events()
        while not isinstance(next(events), Compiled):
            pass
        calls = (event for event in events if isinstance(event, StepsLogged))
        for _ in range(3):  # the first calls find out how many steps a call should have
            next(calls)
        loops, alone = [], [_time_bare(bare, steps)]
        for _ in range(rounds):
            loops.append(_time_calls(calls, turn))
            alone.append(_time_bare(bare, steps))
    return tuple(zip(loops, map(statistics.mean, itertools.pairwise(alone)), strict=True))


def _time_bare(bare: Run, steps: int) -> float:
    start = time.perf_counter()
    bare(steps)
    return (time.perf_counter() - start) / steps


def _time_calls(calls: Iterator[StepsLogged], seconds: float) -> float:
    """Seconds a step of whole calls, one after another for about `seconds`."""
    steps, start = 0, time.perf_counter()
    while steps == 0 or time.perf_counter() - start < seconds / 2:
        steps += len(next(calls).total)
    return (time.perf_counter() - start) / steps
