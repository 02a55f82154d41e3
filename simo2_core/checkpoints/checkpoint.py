"""Checkpoints of named arrays, through orbax. This file knows no model."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import re
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from numpy.typing import NDArray

from simo2_core.checkpoints.manifest import NAME as MANIFEST
from simo2_core.checkpoints.manifest import SCORE, verify, write_manifest
from simo2_core.compiling import require_device
from simo2_core.data.placement import human_bytes
from simo2_core.errors import CheckpointError, NewerFormatError, RunError
from simo2_core.file_lock import has_locks
from simo2_core.run.contained import is_inside, require_contained
from simo2_core.run.files import sync_folder, write_whole

FORMAT = 1
"""Version of what a checkpoint holds, in its `meta`."""

_TEMPORARY = ".orbax-checkpoint-tmp"
"""Part of the name of a folder that orbax has not finished."""

_ALONE = ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0}, barrier_sync_key_prefix="simo2")
"""The first process has every array whole, so it saves and restores without waiting for the others."""

SPARE = 2**20
"""Bytes that must be free beside those of the arrays: for the names, shapes and settings, and the log meanwhile."""

_STEP = re.compile(r"0|[1-9][0-9]*")

# orbax tells every save, and each failed one with its traceback, and absl writes it over a screen
logging.getLogger("absl").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Saved:
    """A checkpoint that is whole on disk."""

    step: int
    best: bool
    seconds: float
    """How long the caller waited."""


class Checkpoints:
    """The `checkpoints/` folder of a run: `STEP/` each, the newest `keep` and the best one kept.

    Saving copies the arrays to the host and returns; writing goes on behind. The best is the one that has the highest
    score, in its meta or given later, the later of two equals. An older one is deleted only when a newer one is whole,
    was read back, has its manifest, and is on the disk.
    """

    def __init__(self, folder: Path, *, keep: int = 3) -> None:
        """Opens the folder for saving, and removes what a killed save left; raises OSError when it cannot be written.

        Only the owner of the run may do so.
        """
        self._folder = folder
        self._keep = keep
        folder.mkdir(parents=True, exist_ok=True)
        _mute_late_files()
        if not has_locks(folder):
            _write_without_locks()
        for unfinished in folder.glob(f"*{_TEMPORARY}*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=None,
            step_prefix=None,
            create=False,
            multiprocessing_options=_ALONE,
            async_options=ocp.AsyncOptions(post_finalization_callback=self._write_manifest),
        )
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)
        self._under_way: tuple[int, int, float] | None = None
        """Step, bytes, and seconds that the caller waited."""
        self._step = 0

    def _write_manifest(self) -> None:
        """Called by orbax's thread when all is written, before the folder gets its final name."""
        written = [*self._folder.glob(f"{self._step}{_TEMPORARY}*"), self._folder / str(self._step)]
        write_manifest(next(path for path in written if path.is_dir()))

    def save(self, step: int, arrays: Mapping[str, Any], meta: Mapping[str, Any]) -> list[Saved]:
        """Begins to save; returns the save that it had to wait for, if one was under way.

        Raises:
            CheckpointError: an earlier save failed, or there is no room for this one.
        """
        start = time.monotonic()
        finished = self.wait()
        size = sum(int(array.nbytes) for array in arrays.values())
        try:
            if self._folder.exists() and not self._folder.is_dir():
                self._folder.rename(f"{self._folder}.not-a-folder-{time.time_ns()}")  # a file of somebody's: kept
            self._folder.mkdir(exist_ok=True)  # somebody may have deleted it; not what it is in, which may come back
            free = shutil.disk_usage(self._folder).free
        except OSError as error:
            raise CheckpointError(
                f"the checkpoint of step {step} cannot be written: {self._folder} is gone."
            ) from error
        if free < size + SPARE:
            raise CheckpointError(
                f"the checkpoint of step {step} needs {human_bytes(size + SPARE)} and the disk of {self._folder} has "
                f"{human_bytes(free)} free. Free some space."
            )
        self._step = step
        try:
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.PyTreeSave(dict(arrays)), meta=ocp.args.JsonSave({"format": FORMAT, **meta})
                ),
                force=True,
            )
        except Exception as error:
            raise self._failure(step, size, error) from error
        self._under_way = (step, size, time.monotonic() - start)
        return finished

    def _failure(self, step: int, size: int, error: BaseException) -> CheckpointError:
        for unfinished in self._folder.glob(f"{step}{_TEMPORARY}*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        return CheckpointError(
            f"the checkpoint of step {step}, {human_bytes(size)}, could not be written: {_reason(error)}."
        )

    def give_score(self, step: int, score: float) -> None:
        """Gives a checkpoint that has none its score; raises OSError when the disk refuses."""
        write_whole(self._folder / str(step) / SCORE, json.dumps(score).encode())

    def reload(self) -> None:
        """Looks at the folder anew, after somebody else has renamed checkpoints in it."""
        self._manager.reload()

    def poll(self) -> list[Saved]:
        """The save that finished since the last call, if any; never waits."""
        if self._under_way is None or self._manager.is_saving_in_progress():
            return []
        return self.wait()

    def wait(self) -> list[Saved]:
        """Waits for the save under way; raises CheckpointError when it failed."""
        if self._under_way is None:
            return []
        (step, size, seconds), self._under_way = self._under_way, None
        try:
            self._manager.wait_until_finished()
            self._manager.check_for_errors()
            if not (self._folder / str(step) / MANIFEST).is_file():
                raise OSError("its manifest is missing")
            sync_folder(self._folder)  # its name too survives a power cut before an older one goes
        except Exception as error:
            raise self._failure(step, size, error) from error
        best = best_step(self._folder)
        self._retire(best)
        return [Saved(step=step, best=best == step, seconds=seconds)]

    def _retire(self, best: int | None) -> None:
        for step in list_steps(self._folder)[: -self._keep]:
            if step != best:
                with contextlib.suppress(OSError):  # what a disk will not delete now is deleted after the next save
                    self._manager.delete(step)

    def close(self) -> None:
        """Lets go of orbax's threads; a save that fails meanwhile must not hide what ends the run."""
        with contextlib.suppress(Exception):
            self._manager.close()


@cache
def _write_without_locks() -> None:
    """Keeps orbax's tensorstore from locking the files that it writes, which a file system without locks refuses.

    Nothing is lost by it: one process writes a checkpoint, into a folder of its own. orbax has no option for this, so
    its defaults are changed; where another version has none of that name, saving fails as it did, in one line.
    """
    with contextlib.suppress(ImportError, AttributeError):
        from orbax.checkpoint._src.serialization import tensorstore_utils

        for defaults in (tensorstore_utils._BASE_TS_CONTEXT, tensorstore_utils._DEFAULT_OCDBT_TS_CONTEXT):
            defaults["file_io_locking"] = {"mode": "none"}


@cache
def _mute_late_files() -> None:
    """Keeps tensorstore's threads from printing a traceback for each file that ends after its save or load has failed.

    They tell a loop of events which orbax has closed by then, and nobody waits for them. It must be so before the
    first of them begins: one may end between the closed loop and whoever hears of the failure.
    """
    usual = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        error = unraisable.exc_value
        if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed"):
            usual(unraisable)

    sys.unraisablehook = hook


def _reason(error: BaseException) -> str:
    text = str(error.__cause__ or error).strip() or type(error).__name__
    if any(words in text for words in ("No space left", "File too large", "Disk quota")):
        return "no room left on the disk. Free some space, then resume the run"
    return text.splitlines()[0][:200].rstrip(".")


def list_steps(folder: Path) -> list[int]:
    """Steps of the whole checkpoints in a `checkpoints/` folder, in order; orbax renames one there when it is done."""
    try:
        return sorted(int(path.name) for path in folder.iterdir() if _STEP.fullmatch(path.name) and path.is_dir())
    except OSError:
        return []


def best_step(folder: Path, up_to: int | None = None) -> int | None:
    """The step with the highest `score`, the later of two equals; None when no checkpoint has one.

    Args:
        folder: the `checkpoints/` of a run.
        up_to: the last step that counts; None for all.
    """
    steps = [step for step in list_steps(folder) if up_to is None or step <= up_to]
    scores = [(read_score(folder / str(step)), step) for step in steps]
    scored = [(score, step) for score, step in scores if score is not None]
    return max(scored)[1] if scored else None


def read_score(checkpoint: Path) -> float | None:
    """The score that a checkpoint was saved with or given later; None when it has none, or none that can be read."""
    try:
        score = read_meta(checkpoint).get("score")
        if score is None:
            score = json.loads((checkpoint / SCORE).read_bytes())
    except (RunError, OSError, ValueError, RecursionError):
        return None
    return float(score) if isinstance(score, int | float) and math.isfinite(score) else None


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
    if not which.isdecimal() or int(which) not in steps:
        raise CheckpointError(f"{folder} has no checkpoint {which}; it has {', '.join(map(str, steps))}.")
    return folder / str(int(which))


def read_meta(checkpoint: Path) -> dict[str, Any]:
    """What was saved beside the arrays.

    Raises:
        CheckpointError: it is damaged, or of a format that this simo2 does not read.
        NewerFormatError: a newer simo2 wrote it.
    """
    try:
        meta = json.loads((checkpoint / "meta" / "metadata").read_bytes())
        version = meta["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{checkpoint} is damaged or no checkpoint: {_reason(error)}.") from None
    if isinstance(version, int) and version > FORMAT:
        raise NewerFormatError(
            f"{checkpoint} has format {version} and needs a simo2 that reads it; this one reads up to {FORMAT}. "
            "Update simo2."
        )
    if version != FORMAT:
        raise CheckpointError(f"{checkpoint} has format {version!r}; this simo2 reads format {FORMAT}.")
    return dict(meta)


def load(checkpoint: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays, as numpy, and what was saved beside them.

    Nothing in it is run: arrays are read as bytes and JSON, and only after every file matches the manifest.

    Raises:
        CheckpointError: it is missing, damaged, or of a format that this simo2 does not read.
    """
    require_device()  # orbax asks jax for it, whose errors say nothing to a user
    require_contained(checkpoint.parent, [checkpoint.name])
    _mute_late_files()
    try:
        meta = read_meta(checkpoint)
        verify(checkpoint)
    except CheckpointError as error:
        raise CheckpointError(f"{error} {_instead(checkpoint)}") from None
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=_ALONE)
    try:
        with ocp.Checkpointer(handler, multiprocessing_options=_ALONE) as checkpointer:
            path = (checkpoint / "state").absolute()
            names = list(checkpointer.metadata(path).item_metadata.tree)
            if outside := [name for name in names if not is_inside(str(name))]:
                raise CheckpointError(f"the array {outside[0]!r} would lie outside of it")
            wanted = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
            arrays = checkpointer.restore(path, args=ocp.args.PyTreeRestore(restore_args=wanted))
    except Exception as error:
        raise CheckpointError(f"{checkpoint} is damaged: {_reason(error)}. {_instead(checkpoint)}") from error
    return {name: np.asarray(array) for name, array in arrays.items()}, meta


def evaluated(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays of a checkpoint with averages of weights, where it has some, in place of the weights of the last step.

    They are what a run evaluates, and what an encoder of it is.
    """
    start = "average/"
    return {**arrays, **{name.removeprefix(start): value for name, value in arrays.items() if name.startswith(start)}}


def _instead(checkpoint: Path) -> str:
    others = [step for step in list_steps(checkpoint.parent) if str(step) != checkpoint.name]
    return f"Use another one: {checkpoint.parent / str(others[-1])}." if others else "Train it again."


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
