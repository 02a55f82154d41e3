"""The state of a checkpoint, for training to go on from."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

import jax
from jax.sharding import Mesh

from simo2_core.checkpoints.checkpoint import best_step, load, name_leaves, read_meta, read_score, require_same
from simo2_core.config import Config
from simo2_core.data.dataset import Dataset
from simo2_core.errors import CheckpointError, ConfigError
from simo2_core.run.rising import Followed
from simo2_core.train.devices import put_whole
from simo2_core.train.step import TrainState

OTHER_IMAGES = (
    "If they are JPEG files and simplejpeg and OpenCV were installed since, set SIMO2_DECODER=pillow, so that they are "
    "decoded as they were. If views were drawn of what is evaluated (--views-split), they no longer are."
)
"""What may have changed where a fingerprint has, though the files have not."""


class Origin(NamedTuple):
    """How the state of a checkpoint came about."""

    saved_with: Config | None
    """The settings that it was saved with; None where they cannot be read here."""
    trained_on: str
    """The fingerprint of the images that it was trained on."""
    normalised_by: tuple[list[float], list[float]]
    """The mean and standard deviation that it was trained with, by channel."""


def restore(checkpoint: Path, state: TrainState, data: Dataset, mesh: Mesh) -> tuple[TrainState, Origin]:
    """Reads the state that was saved where one like `state` was trained, onto every device.

    Raises:
        CheckpointError: the checkpoint is damaged, of another network, or was trained on other images.
    """
    arrays, meta = load(checkpoint)
    expected = name_leaves(state)
    require_same(arrays, expected, checkpoint)
    trained_on = str(meta.get("fingerprint"))
    if not data.is_that_of(trained_on):
        raise CheckpointError(
            f"{checkpoint} was trained on other images than {data.name} holds now "
            f"(fingerprint {trained_on!r}, now {data.fingerprint!r}). {OTHER_IMAGES} Start a new run."
        )
    saved_with = None
    with contextlib.suppress(ConfigError):  # it only serves to say what has changed
        saved_with = Config.from_json(meta["config"])
    leaves = [arrays[name] for name in expected]
    restored = TrainState(*jax.tree.unflatten(jax.tree.structure(state), leaves))
    return put_whole(restored, mesh), Origin(saved_with, trained_on, (meta["mean"], meta["std"]))


def followed_until(checkpoint: Path, config: Config) -> Followed:
    """How validation kNN, and the training loss, had gone when a checkpoint was saved, for going on with `config`.

    A run that only now waits for better ones begins to count: the best until then is the best of those on disk, for
    test can be read with no other.
    """
    meta = read_meta(checkpoint)
    if not config.patience or meta["config"].get("patience"):
        return Followed.from_json(meta)
    step = best_step(checkpoint.parent, up_to=int(checkpoint.name))
    score = None if step is None else read_score(checkpoint.parent / str(step))
    return Followed() if step is None or score is None else Followed.beginning_with(step, score, int(checkpoint.name))
