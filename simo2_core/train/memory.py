"""Out of memory, said with the setting that would fit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from simo2_core.config import Config
from simo2_core.data.placement import look_at_machine
from simo2_core.errors import OutOfMemoryError
from simo2_core.run.directory import RunDirectory

SHARE = 0.9
"""Share of the memory that a suggested batch may take: what is measured of a program is not all that it takes."""


@contextlib.contextmanager
def out_of_memory(config: Config, run: RunDirectory, program: Any = None) -> Iterator[None]:
    """Turns an exhausted device or host inside the block into one line with its cure.

    Args:
        program: the compiled training call, where there is one: its needs decide the batch that is suggested.

    Raises:
        OutOfMemoryError: instead of what jax, XLA or Python raise.
    """
    try:
        yield
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if isinstance(error, jax.errors.JaxRuntimeError) and not _exhausted(error):
            raise
        where = "host" if isinstance(error, MemoryError) else "device"
        raise OutOfMemoryError(
            f"out of memory on the {where} with batches of {config.batch_size} images. "
            f"{_advice(config, program)} The newest checkpoint is kept: simo2 resume {run.path}."
        ) from error


def _exhausted(error: BaseException) -> bool:
    text = str(error).lower()
    return "resource_exhausted" in text or "out of memory" in text


def _advice(config: Config, program: Any) -> str:
    batch = fitting_batch(config.batch_size, config.samples_per_class, *_needs(program))
    if batch is not None:
        return f"Use --batch-size {batch}."
    k = max(2, config.samples_per_class // 2)
    if k < config.samples_per_class:
        return f"Use --batch-size {2 * k} --samples-per-class {k}, or a smaller --image-size."
    return "Use a smaller --image-size or --widths."


def _needs(program: Any) -> tuple[int, int, int]:
    """Bytes that the program holds whatever the batch, bytes that grow with it, and bytes that there are."""
    analysis = program.memory_analysis() if program is not None else None
    if analysis is None:
        return 0, 0, 0
    room = look_at_machine(Path.cwd()).device_free + analysis.argument_size_in_bytes  # the arguments are there already
    return analysis.argument_size_in_bytes, analysis.temp_size_in_bytes, room


def fitting_batch(batch: int, samples_per_class: int, fixed: int, growing: int, room: int) -> int | None:
    """The largest smaller batch of whole classes that fits, at least two classes; None when none does.

    Args:
        fixed: bytes that do not depend on the batch.
        growing: bytes that the present batch takes on top, in proportion to its images; 0 when unknown: half of the
            batch is then taken to fit.
        room: bytes that there are.
    """
    images = batch / 2 if growing == 0 else batch * (room * SHARE - fixed) / growing
    classes = min(int(images // samples_per_class), (batch - 1) // samples_per_class)
    return classes * samples_per_class if classes >= 2 else None
