"""Checkpoints of named arrays, through orbax. This file knows no model."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from numpy.typing import NDArray

from simo2_core.errors import CheckpointError

FORMAT = 1
"""Version of what a checkpoint holds, in its `meta`."""

logging.getLogger("absl").setLevel(logging.ERROR)  # orbax tells every save, and absl writes it over a screen


@dataclass(frozen=True)
class Saved:
    """A checkpoint that is whole on disk."""

    step: int
    best: bool
    seconds: float
    """How long the caller waited."""


class Checkpoints:
    """The `checkpoints/` folder of a run: `STEP/` each, the newest `keep` and the best one kept.

    Saving copies the arrays to the host and returns; writing goes on behind. The best is the one whose meta has
    the highest `score`, the later of two equals.
    """

    def __init__(self, folder: Path, *, keep: int = 3) -> None:
        """Opens the folder for saving; raises OSError when it cannot be written."""
        self._folder = folder
        self._keep = keep
        self._manager = ocp.CheckpointManager(
            folder.absolute(), options=ocp.CheckpointManagerOptions(max_to_keep=None, step_prefix=None)
        )
        self._under_way: tuple[int, float] | None = None

    def save(self, step: int, arrays: Mapping[str, Any], meta: Mapping[str, Any]) -> list[Saved]:
        """Begins to save; returns the save that it had to wait for, if one was under way.

        Raises:
            CheckpointError: an earlier save failed, or there is no room for this one.
        """
        start = time.monotonic()
        finished = self.wait()
        size = sum(int(array.nbytes) for array in arrays.values())
        free = shutil.disk_usage(self._folder).free
        if free < size + 2**20:
            raise CheckpointError(
                f"the checkpoint of step {step} needs {size / 1e6:.1f} MB and {self._folder} has "
                f"{free / 1e6:.1f} MB free. Free some space; training goes on."
            )
        try:
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.PyTreeSave(dict(arrays)), meta=ocp.args.JsonSave({"format": FORMAT, **meta})
                ),
                force=True,
            )
        except Exception as error:
            raise CheckpointError(f"the checkpoint of step {step} could not be written: {_reason(error)}") from error
        self._under_way = (step, time.monotonic() - start)
        return finished

    def poll(self) -> list[Saved]:
        """The save that finished since the last call, if any; never waits."""
        if self._under_way is None or self._manager.is_saving_in_progress():
            return []
        return self.wait()

    def wait(self) -> list[Saved]:
        """Waits for the save under way; raises CheckpointError when it failed."""
        if self._under_way is None:
            return []
        (step, seconds), self._under_way = self._under_way, None
        try:
            self._manager.wait_until_finished()
            self._manager.check_for_errors()
        except Exception as error:
            raise CheckpointError(f"the checkpoint of step {step} could not be written: {_reason(error)}") from error
        best = best_step(self._folder)
        self._retire(best)
        return [Saved(step=step, best=best == step, seconds=seconds)]

    def _retire(self, best: int | None) -> None:
        for step in list_steps(self._folder)[: -self._keep]:
            if step != best:
                self._manager.delete(step)

    def close(self) -> None:
        """Lets go of orbax's threads."""
        self._manager.close()


def _reason(error: BaseException) -> str:
    text = str(error.__cause__ or error).strip() or type(error).__name__
    if any(words in text for words in ("No space left", "File too large", "Disk quota")):
        return "no room left on the disk. Free some space, then resume the run"
    return text.splitlines()[0][:200]


def list_steps(folder: Path) -> list[int]:
    """Steps of the whole checkpoints in a `checkpoints/` folder, in order; orbax renames one there when it is done."""
    try:
        return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit() and path.is_dir())
    except OSError:
        return []


def best_step(folder: Path) -> int | None:
    """The step with the highest `score`, the later of two equals; None when no checkpoint has one."""
    scored = []
    for step in list_steps(folder):
        try:
            score = read_meta(folder / str(step)).get("score")
        except CheckpointError:
            continue
        if isinstance(score, int | float):
            scored.append((float(score), step))
    return max(scored)[1] if scored else None


def find_checkpoint(folder: Path, which: str = "latest") -> Path:
    """The checkpoint called `latest`, `best` or a step number; raises CheckpointError when there is none."""
    steps = list_steps(folder)
    if not steps:
        raise CheckpointError(f"{folder} holds no checkpoint: the run stopped before its first one. Train it again.")
    if which == "latest":
        return folder / str(steps[-1])
    if which == "best":
        best = best_step(folder)
        return folder / str(steps[-1] if best is None else best)
    if not which.isdigit() or int(which) not in steps:
        raise CheckpointError(f"{folder} has no checkpoint {which}; it has {', '.join(map(str, steps))}.")
    return folder / str(int(which))


def read_meta(checkpoint: Path) -> dict[str, Any]:
    """What was saved beside the arrays.

    Raises:
        CheckpointError: it is damaged, or of a format that this simo2 does not read.
    """
    try:
        meta = json.loads((checkpoint / "meta" / "metadata").read_bytes())
        version = meta["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{checkpoint} is damaged or no checkpoint: {_reason(error)}.") from None
    if version != FORMAT:
        raise CheckpointError(f"{checkpoint} has format {version!r}; this simo2 reads format {FORMAT}. Update simo2.")
    return dict(meta)


def load(checkpoint: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays, as numpy, and what was saved beside them.

    Raises:
        CheckpointError: it is missing, damaged, or of a format that this simo2 does not read.
    """
    meta = read_meta(checkpoint)
    handler = ocp.PyTreeCheckpointHandler()
    try:
        with ocp.Checkpointer(handler) as checkpointer:
            path = (checkpoint / "state").absolute()
            names = list(checkpointer.metadata(path).item_metadata.tree)
            wanted = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
            arrays = checkpointer.restore(path, args=ocp.args.PyTreeRestore(restore_args=wanted))
    except Exception as error:
        raise CheckpointError(f"{checkpoint} is damaged: {_reason(error)}") from error
    return {name: np.asarray(array) for name, array in arrays.items()}, meta


def require_same(found: Mapping[str, Any], expected: Mapping[str, Any], where: Path) -> None:
    """Raises CheckpointError unless both have the same names, shapes and dtypes: nothing is dropped in silence."""
    for name in sorted(set(found) ^ set(expected)):
        side = "has" if name in found else "lacks"
        raise CheckpointError(f"{where} {side} the array {name!r}, unlike this run's settings: they must be the same.")
    for name, array in expected.items():
        shape, dtype = tuple(array.shape), np.dtype(array.dtype)
        if tuple(found[name].shape) != shape or np.dtype(found[name].dtype) != dtype:
            raise CheckpointError(
                f"{where} has {name!r} as {found[name].dtype}{list(found[name].shape)}; this run's settings need "
                f"{dtype}{list(shape)}."
            )


def name_leaves(tree: Any) -> dict[str, Any]:
    """The leaves of any pytree by their path, such as `opt_state/1/0/mu/stem/kernel`."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
