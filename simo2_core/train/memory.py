"""Out of memory, said with the setting that would fit."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax

from simo2_core.checkpoints.checkpoint import list_steps
from simo2_core.config import Config
from simo2_core.data.placement import host_memory_free, human_bytes, look_at_machine
from simo2_core.errors import OutOfMemoryError
from simo2_core.memory_needs import Needs, cure
from simo2_core.recipes import beside
from simo2_core.run.directory import RunDirectory

SHARE = 0.9
"""Share of the memory that a suggested batch may take: what is measured of a program is not all that it takes."""


class Chunking(NamedTuple):
    """How the training call embeds its batch, where the encoder can do so in chunks."""

    present: int
    """Images embedded at once."""
    compile: Callable[[int], Any]
    """The same call, compiled for another chunk size."""


def program_bytes(compiled: Any) -> int:
    """Memory that a compiled program needs at once: arguments, results and what lies between, as XLA plans it.

    On one device, where it runs on several.
    """
    plan = compiled.memory_analysis()
    return int(
        plan.argument_size_in_bytes
        + plan.output_size_in_bytes
        + plan.temp_size_in_bytes
        - plan.alias_size_in_bytes  # results that take the place of donated arguments
    )


@contextlib.contextmanager
def out_of_memory(
    config: Config,
    run: RunDirectory,
    program: Any = None,
    chunking: Chunking | None = None,
    needs: Needs | None = None,
) -> Iterator[None]:
    """Turns an exhausted device or host inside the block into one line with its cure.

    Args:
        program: the compiled training call, where there is one: its needs decide what is suggested.
        chunking: of that call; None where its encoder needs the whole batch.
        needs: what the run needs at the least, where that is known.

    Raises:
        OutOfMemoryError: instead of what jax, XLA or Python raise.
    """
    try:
        yield
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if isinstance(error, jax.errors.JaxRuntimeError) and not _exhausted(error):
            raise
        where = "host" if isinstance(error, MemoryError) else "device"
        kept = f" The newest checkpoint is kept: simo2 resume {run.path}." if list_steps(run.checkpoints) else ""
        raise OutOfMemoryError(
            f"out of memory on the {where} with batches of {config.batch_size} images. "
            f"{_advice(config, program, chunking, needs)}{kept}"
        ) from error


def require_memory(config: Config, program: Any, chunking: Chunking | None, needs: Needs) -> None:
    """Refuses a training call that the main memory is too small for: taken, the system would end the process.

    The memory of an accelerator refuses by itself.

    Args:
        program: the compiled call, whose arguments are there already.
        chunking: as for `out_of_memory`, and `needs` as well.

    Raises:
        OutOfMemoryError: with the setting that would fit.
    """
    if jax.default_backend() != "cpu":
        return
    needed = program_bytes(program) - program.memory_analysis().argument_size_in_bytes
    free = host_memory_free()
    if needed > free:
        raise OutOfMemoryError(
            f"a step with batches of {config.batch_size} images needs {human_bytes(needed)} of memory, and "
            f"{human_bytes(free)} are free. {_advice(config, program, chunking, needs)}"
        )


def _exhausted(error: BaseException) -> bool:
    text = str(error).lower()
    return "resource_exhausted" in text or "out of memory" in text


def _advice(config: Config, program: Any, chunking: Chunking | None, needs: Needs | None) -> str:
    if needs is not None and needs.weights > needs.total / 2 and needs.weights > host_memory_free() / 4:
        return cure(config, needs, host_memory_free() / 4)  # a smaller batch would not help
    if program is not None and chunking is not None:
        chunk = fitting_chunk(chunking, program, _room(program))
        if chunk is not None:
            return f"Use --chunk-size {chunk}, which changes nothing but the memory and the time of a step."
    batch = fitting_batch(config.batch_size, config.samples_per_class, *_needs(program))
    if batch is not None:
        return f"Use {beside(config.recipe, f'--batch-size {batch}')}."
    k = max(2, config.samples_per_class // 2)
    if k < config.samples_per_class:
        fewer = beside(config.recipe, f"--batch-size {2 * k} --samples-per-class {k}")
        return f"Use {fewer}, or a smaller --image-size."
    return "Use a smaller --image-size or --widths."


def _needs(program: Any) -> tuple[int, int, int]:
    """Bytes that the program holds whatever the batch, bytes that grow with it, and bytes that there are."""
    analysis = program.memory_analysis() if program is not None else None
    if analysis is None:
        return 0, 0, 0
    return analysis.argument_size_in_bytes, analysis.temp_size_in_bytes, _room(program)


def _room(program: Any) -> int:
    """Bytes for a program whose arguments are on the device already."""
    free = look_at_machine(Path.cwd()).device_free
    return int(free + program.memory_analysis().argument_size_in_bytes)


def fitting_chunk(chunking: Chunking, program: Any, room: int) -> int | None:
    """The largest chunk below the present one whose program fits; None when none does, or the compiler fails as well.

    The memory of a program grows by the same for each image of a chunk, so the present one and a small one tell that
    of all between.

    Args:
        program: the call as it is.
        room: bytes that there are.
    """
    present, small = chunking.present, max(1, chunking.present // 8)
    if small >= present:
        return None
    try:
        least, most = program_bytes(chunking.compile(small)), program_bytes(program)
    except jax.errors.JaxRuntimeError:
        return None
    spare = int(room * SHARE) - least
    if spare < 0:
        return None
    each = max(1.0, (most - least) / (present - small))
    return min(present - 1, small + int(spare / each))


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
