"""`simo2 bench`: what a training step costs on this machine, and how close that is to what it can do."""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simo2_core.bounds import shown
from simo2_core.errors import ConfigError, did_you_mean
from simo2_tui.cli.options import JsonOption, resolve, with_settings

if TYPE_CHECKING:
    from rich.table import Table

    from simo2_core.bench.measure import Bench


def _bench(
    *,
    preset: Annotated[
        str | None, typer.Option(help="Whose step to measure: see simo2 presets. [default: digits]")
    ] = None,
    as_json: JsonOption = False,
    settings: Mapping[str, Any],
) -> None:
    """Measure a training step on this machine: its parts, its share of the peak, compiling, memory, the loop.

    Random images stand in for the preset's, so nothing is downloaded. Takes half a minute for digits on a laptop.
    """
    from simo2_core.presets import PRESETS, data_name, find_preset
    from simo2_tui.cli.printing import Doing, make_console

    rows = {row.config.data.dataset: row for row in PRESETS.values()}
    images = settings.get("dataset", find_preset(preset or "digits").config.data.dataset)
    if images not in rows:
        hint = did_you_mean(images, rows) or " See them with: simo2 presets."
        raise ConfigError(f"dataset is {shown(images)}; random images can stand in for those of a preset alone.{hint}")
    config = resolve(preset, settings)
    with Doing(make_console(stderr=True, quiet=not sys.stderr.isatty()), "loading jax") as doing:
        from simo2_core.bench.measure import measure  # seconds of jax: not before the settings are known to work
        from simo2_core.bench.synthetic import synthetic_dataset

        result = measure(config, synthetic_dataset(rows[images], config), doing.say)
    if as_json:
        print(json.dumps({**facts(result), "dataset": config.data.dataset}))
        return
    console = make_console()
    shape = "x".join(map(str, result.image_shape))
    console.print(f"A step of {data_name(config)}: {result.batch_size} images of {shape}")
    console.print(parts_table(result))
    for line in summary_lines(result):
        console.print(line, soft_wrap=True)


bench_command = with_settings(_bench, without=("init",))


def facts(result: Bench) -> dict[str, Any]:
    """The measurements and what follows from them, for `--json`; times in milliseconds a step or seconds."""
    plain = dataclasses.asdict(result)
    for name in ("parts", "step", "turns", "compile_cold", "compile_warm"):
        del plain[name]
    return plain | {
        "milliseconds": {name: 1e3 * value for name, value in result.parts.items()} | {"step": 1e3 * result.step},
        "steps_per_second": 1 / result.step,
        "images_per_second": result.batch_size / result.step,
        "mfu": result.mfu,
        "compile_seconds": {"cold": result.compile_cold, "warm": result.compile_warm},
        "loop": {
            "milliseconds": [1e3 * loop for loop, _ in result.turns],
            "bare_milliseconds": [1e3 * bare for _, bare in result.turns],
            "overhead": result.loop_overhead,
            "overhead_over_fixed_batch": result.fixed_batch_overhead,
        },
    }


def parts_table(result: Bench) -> Table:
    """Milliseconds a step, by part."""
    from rich.table import Table

    table = Table(header_style="bold")
    for column in ("part", "ms a step", "share"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for name, seconds in result.parts.items():
        table.add_row(name, f"{1e3 * seconds:.3f}", f"{seconds / result.step:.1%}")
    table.add_section()
    table.add_row("step", f"{1e3 * result.step:.3f}", "100%")
    return table


def summary_lines(result: Bench) -> list[str]:
    """Everything but the parts of a step, in plain lines."""
    from simo2_core.data.placement import human_bytes

    low, _, high = statistics.quantiles(result.loop_overheads, n=4)
    held = f", {human_bytes(result.device_peak_bytes)} held at most" if result.device_peak_bytes else ""
    return [
        f"Device: {result.device}, {result.parameters:,} parameters in float32, products in {result.precision}",
        f"Products: {result.products}; off by {max(result.product_errors.values()):.0e} at most in programs that "
        "compilers have got wrong",
        f"Speed: {1 / result.step:.1f} steps/s, {result.batch_size / result.step:,.0f} images/s",
        f"Arithmetic: {result.flops / 1e9:.3g} GFLOP a step (counted by XLA), {result.mfu:.1%} of the "
        f"{result.peak_flops / 1e9:,.0f} GFLOP/s that a matrix product reaches here",
        f"Memory: {human_bytes(result.bytes_moved)} moved a step, {human_bytes(result.program_bytes)} planned{held}",
        f"Compiling: {result.compile_cold:.1f} s the first time, {result.compile_warm:.1f} s from the cache "
        f"({result.compile_warm / result.compile_cold:.0%})",
        f"Loop: {result.loop_overhead:.3f} x the bare call, {result.fixed_batch_overhead:.3f} x one on a fixed batch "
        f"(median of {len(result.turns)} turns, the middle half within {low:.3f} to {high:.3f} x the bare call)",
    ]
