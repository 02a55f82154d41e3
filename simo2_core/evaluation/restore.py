"""A trained encoder, back from a run or a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from simo2_core.analysis.embed import TrainedEncoder, compile_embed
from simo2_core.checkpoints.checkpoint import evaluated, find_checkpoint, load, read_meta, require_same
from simo2_core.checkpoints.exported import image_rule, is_exported, read_exported
from simo2_core.compiling import require_device
from simo2_core.config import Config
from simo2_core.data.dataset import Dataset
from simo2_core.data.decode import Rule
from simo2_core.data.load import load_dataset
from simo2_core.errors import ConfigError, RunError
from simo2_core.evaluation.evaluate import looked_at, save_snapshot
from simo2_core.evaluation.thumbnails import save_thumbnails
from simo2_core.events import EmbeddingSnapshot
from simo2_core.model.network import Arrays, Network, first_weights
from simo2_core.objectives.objective import PREFIX
from simo2_core.paths import user_path
from simo2_core.run.directory import RunDirectory, find_run
from simo2_core.run.files import disk_error


def speaking_for(run: RunDirectory) -> Path:
    """The checkpoint that is meant by a run: the newest; or the best where it waits for better, as test is read.

    Raises:
        CheckpointError: it has no checkpoint.
    """
    try:
        waits = run.config.patience > 0
    except (RunError, ConfigError):  # its settings are lost, or of a part that is not here
        waits = False
    return find_checkpoint(run.checkpoints, "best" if waits else "latest")


def locate(text: str, run_dir: Path) -> Path:
    """The checkpoint that a user means: itself, or that of a run by path, name or `latest`: see `speaking_for`.

    Raises:
        RunError: there is no such run, or it has no checkpoint.
    """
    run = find_run(text, run_dir)
    named = user_path(text)
    for path in (named, named.parent):
        if re.fullmatch(r"\d+", path.name) and path.parent.name == run.checkpoints.name and path.exists():
            return find_checkpoint(run.checkpoints, path.name)
    return speaking_for(run)


def snapshot_checkpoint(run: RunDirectory, checkpoint: Path) -> int:
    """Writes the validation embedding of a checkpoint to `embeddings/`, and its thumbnails, unless they are there.

    Returns: the step of the checkpoint.

    Raises:
        DataError: the run's data set cannot be read any more.
        RunError: the checkpoint is damaged, or the disk refuses.
    """
    step = int(checkpoint.name)
    if not (run.embeddings / f"{step}.npz").exists():
        write_snapshot(run, checkpoint, load_dataset(run.config.images))
    return step


def write_snapshot(run: RunDirectory, checkpoint: Path, dataset: Dataset) -> EmbeddingSnapshot:
    """Embeds validation by a checkpoint, and keeps that with its thumbnails in the run's folder; measures nothing.

    Raises:
        RunError: the checkpoint is damaged, or the disk refuses.
    """
    part, _ = looked_at(dataset, "validation")
    _, embedding = load_encoder(checkpoint).part(part)
    try:
        told = save_snapshot(run, int(checkpoint.name), embedding, part.labels, dataset.class_names)
        save_thumbnails(run, part)
    except OSError as error:
        raise disk_error("writing", run.embeddings, error) from error
    return told


def load_encoder(path: str | Path) -> TrainedEncoder:
    """The encoder in a checkpoint, in the newest checkpoint of a run, or in a folder that `simo2 export` wrote.

    Args:
        path: of one of these; or the name of a run in `runs/`, or `latest`.

    Returns: an object with `represent(images)` (N, F), the pooled features, and `embed(images)` (N, D), the unit
    projection, for uint8 images (N, H, W, ch); and `read(files)`, which makes such images from files, turned upright,
    cropped and resized as those of training were.

    Raises:
        RunError: nothing of the kind is there, or it is damaged.
    """
    require_device()
    if is_exported(folder := user_path(path)):
        config, arrays, facts = read_exported(folder)
        network, params, stats = Network.build_abstract(config, facts["image_shape"][2])
        return _ready(network, *_filled(params, stats, arrays), facts)
    return _ready(*load_network(locate(str(path), Path("runs"))))


def untrained_encoder(checkpoint: Path) -> TrainedEncoder:
    """The encoder of a checkpoint as it was before the first step of its run: the weights that the seed drew.

    What was fitted on training images before that step is as the checkpoint has it, for nothing has changed it since.

    Raises:
        RunError: the checkpoint is missing or damaged.
    """
    require_device()
    meta = read_meta(checkpoint)
    config = Config.from_json(meta["config"])
    network, params, stats = first_weights(config.model, config.seed, meta["image_shape"][2])
    if network.fitted:
        arrays, _ = load(checkpoint)
        stats |= {name: jnp.asarray(arrays[f"stats/{name}"]) for name in network.fitted}
    return _ready(network, params, stats, meta)


def load_network(checkpoint: Path) -> tuple[Network, Arrays, Arrays, Mapping[str, Any]]:
    """The network of a checkpoint, its `params` and `stats`, and the checkpoint's meta.

    Raises:
        RunError: the checkpoint is missing or damaged.
    """
    arrays, meta = load(checkpoint)
    arrays = evaluated(arrays)
    config = Config.from_json(meta["config"])
    network, params, stats = Network.build_abstract(config.model, meta["image_shape"][2])
    expected = {f"params/{name}": array for name, array in params.items()}
    expected |= {f"stats/{name}": array for name, array in stats.items()}
    found = {
        name: array
        for name, array in arrays.items()
        if name.startswith(("params/", "stats/")) and not name.startswith("params/" + PREFIX)
    }
    require_same(found, expected, checkpoint)
    return network, *_filled(params, stats, arrays), meta


def _filled(params: Arrays, stats: Arrays, arrays: Mapping[str, Any]) -> tuple[Arrays, Arrays]:
    """`params` and `stats` by their names, with the values in `arrays`."""
    return (
        {name: jnp.asarray(arrays[f"params/{name}"]) for name in params},
        {name: jnp.asarray(arrays[f"stats/{name}"]) for name in stats},
    )


def _ready(network: Network, params: Arrays, stats: Arrays, meta: Mapping[str, Any]) -> TrainedEncoder:
    height, width, channels = meta["image_shape"]
    mean, std = np.asarray(meta["mean"], np.float32), np.asarray(meta["std"], np.float32)
    rule = Rule(**image_rule(meta))
    return TrainedEncoder(compile_embed(network), params, stats, mean, std, (height, width, channels), rule=rule)
