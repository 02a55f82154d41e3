"""What an encoder makes of every image of a data set, made once and kept beside the run.

RUN/eval/STEP/features.npz     by checkpoint; eval/STEP-NAME/ of another data set
RUN/eval/STEP/untrained.npz    by the same network before its first step

A file says which checkpoint and which images it was made from; one that was made from others, or is torn, is made
again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simo2_core.checkpoints.checkpoint import read_meta
from simo2_core.checkpoints.manifest import identity
from simo2_core.data.dataset import Dataset
from simo2_core.data.load import load_dataset
from simo2_core.data.progress import Report, silent
from simo2_core.data_config import DataConfig
from simo2_core.errors import ConfigError, DataError, RunError
from simo2_core.evaluation.restore import load_encoder, untrained_encoder
from simo2_core.presets import config_for
from simo2_core.run.directory import RunDirectory
from simo2_core.run.files import write_into

FORMAT = 2
"""Version of the files."""


class Features(NamedTuple):
    """What an encoder makes of a part of a data set, a row for each of its `rows`."""

    representation: NDArray[np.float32]
    """(n, F), pooled."""
    projection: NDArray[np.float32]
    """(n, D), unit rows."""


def folder_of(run: RunDirectory, checkpoint: Path, data: str | None) -> Path:
    """Where the files about a checkpoint and a data set lie."""
    other = "" if data is None else "-" + (re.sub(r"[^\w.]+", "-", data).strip("-") or "data")
    return run.path / "eval" / f"{checkpoint.name}{other}"


def data_config(run: RunDirectory, image_shape: Sequence[int], data: str | None) -> DataConfig:
    """Another data set with images as the run has them; the run's own for None.

    Raises:
        ConfigError: the run has images that are not square.
    """
    own = run.config.images
    if data is None:
        return own
    height, width, channels = image_shape
    if height != width:
        raise ConfigError(f"the run was trained on {height}×{width} images; other data can only be made square.")
    return dataclasses.replace(
        config_for(data).data,
        image_size=height,
        channels=channels,
        resize=own.resize,
        background=own.background,
        depth=own.depth,
    )


def dataset_for(run: RunDirectory, checkpoint: Path, data: str | None, *, report: Report = silent) -> Dataset:
    """The run's own data set, or another one made to fit its encoder.

    Args:
        data: a data set as for `simo2 train --dataset`; None for the run's own.
        report: told how far preparing and decoding are.

    Raises:
        DataError: the data is missing, has changed since training, or does not fit the encoder.
        RunError: the checkpoint is damaged.
    """
    meta = read_meta(checkpoint)
    config = data_config(run, meta["image_shape"], data)
    if data is not None:
        config = dataclasses.replace(config, labels="none")  # a heap of images can be embedded, however it was trained
    dataset = load_dataset(config, report=report)
    if dataset.image_shape != tuple(meta["image_shape"]):
        raise DataError(
            f"images of {dataset.name} are {dataset.image_shape}; the encoder takes {tuple(meta['image_shape'])}. "
            "Train on images of that size."
        )
    if data is None and not dataset.is_that_of(str(meta["fingerprint"])):
        raise DataError(
            f"{dataset.name} has changed since {run.path} was trained, so its test images may have been trained on. "
            "Put the data back, or train again."
        )
    return dataset


def features_of(
    folder: Path,
    checkpoint: Path,
    dataset: Dataset,
    *,
    trained: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Features]:
    """The features of every part, from the file in `folder` if it is of this checkpoint and these images.

    Args:
        trained: False for the weights that the run began with.
        say: told what is embedded, if anything is.

    Raises:
        DataError: the images do not fit the encoder.
        RunError: the checkpoint is damaged.
    """
    path = folder / ("features.npz" if trained else "untrained.npz")
    made_from = f"{FORMAT} {dataset.fingerprint} {identity(checkpoint)}"
    known = _read(path, made_from, dataset)
    if known is not None:
        return known
    encoder = (load_encoder if trained else untrained_encoder)(checkpoint)
    features: dict[str, Features] = {}
    arrays: dict[str, NDArray[np.float32]] = {}
    for name, part in dataset.parts.items():
        say(f"embedding {len(part):,} {name} images{'' if trained else ' with untrained weights'}")
        features[name] = Features(*encoder.part(part))
        arrays |= {f"{kind}/{name}": array for kind, array in features[name]._asdict().items()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, made_from=np.array(made_from), **arrays)
    with contextlib.suppress(RunError):  # a full disk, or a run that is only lent: the next time takes as long as this
        write_into(path, buffer.getvalue())
    return features


def _read(path: Path, made_from: str, dataset: Dataset) -> dict[str, Features] | None:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            if str(file["made_from"]) != made_from:
                return None
            return {name: Features(*(file[f"{kind}/{name}"] for kind in Features._fields)) for name in dataset.parts}
    except Exception:  # numpy, zipfile and ast each have their own for bytes that are wrong; it is made again
        return None
