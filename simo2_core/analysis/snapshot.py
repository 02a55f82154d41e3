"""The embedding of the validation part as it was after a step, read back from a run's `embeddings/STEP.npz`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simo2_core.errors import RunError
from simo2_core.run.directory import RunDirectory


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What one file holds."""

    embedding: NDArray[np.float32]
    """(n, d) unit rows."""
    labels: NDArray[np.int32]
    """(n,) in [0, len(class_names))."""
    class_names: tuple[str, ...]
    step: int


def snapshot_steps(run: RunDirectory) -> list[int]:
    """The steps that have a snapshot, ascending."""
    return sorted(int(path.stem) for path in run.embeddings.glob("*.npz") if path.stem.isdecimal())


def read_snapshot(path: Path) -> Snapshot:
    """Reads a snapshot; no code in the file is run. Raises RunError when it is missing, damaged or something else."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            embedding, labels = file["embedding"], file["labels"]
            names = tuple(str(name) for name in file["class_names"].ravel())
            step = int(file["step"])
    except FileNotFoundError:
        raise RunError(f"there is no snapshot {path}.") from None
    except Exception as error:  # numpy, zipfile, zlib and ast each have their own for bytes that are wrong
        why = str(error).split(". ")[0].rstrip(".") or type(error).__name__
        raise RunError(f"{path} is no snapshot of an embedding, or damaged ({why}). Delete it.") from None
    fits = (
        embedding.ndim == 2
        and embedding.dtype.kind == "f"
        and labels.dtype.kind in "iu"
        and labels.shape == embedding.shape[:1]
        and labels.size > 0
        and labels.min() >= 0
        and labels.max() < len(names)
    )
    if not fits:
        raise RunError(
            f"{path} is damaged: embedding {embedding.shape} of {embedding.dtype}, labels {labels.shape} of "
            f"{labels.dtype}, {len(names)} class names. Delete it."
        )
    return Snapshot(embedding.astype(np.float32), labels.astype(np.int32), names, step)


def read_thumbnails(run: RunDirectory) -> NDArray[np.uint8] | None:
    """(n, h, w, ch) small images, row for row those of every snapshot; None where there are none that can be read."""
    try:
        with (run.embeddings / "thumbnails.npz").open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            images: NDArray[np.uint8] = file["images"]
    except Exception:  # as above
        return None
    return images if images.dtype == np.uint8 and images.ndim == 4 and images.shape[-1] in (1, 3) else None
