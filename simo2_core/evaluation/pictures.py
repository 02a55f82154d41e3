"""Pictures that need a checkpoint or the data itself; those of `analysis.render` need only the run's folder."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.plots.augmentation import draw_augmentation
from simo2_core.analysis.plots.filters import draw_filters
from simo2_core.analysis.plots.reconstructions import MOST, draw_reconstructions
from simo2_core.analysis.plots.style import DARK, LIGHT, Caption, Theme, named
from simo2_core.analysis.reduce import sample_by_class
from simo2_core.analysis.render import data_of
from simo2_core.checkpoints.checkpoint import evaluated, load, read_meta
from simo2_core.compiling import require_device
from simo2_core.config import Config, task_of
from simo2_core.data.augment import augment, normalise
from simo2_core.data.dataset import DataPart
from simo2_core.data.load import load_dataset
from simo2_core.errors import RunError
from simo2_core.evaluation.restore import load_encoder
from simo2_core.objectives.objective import PREFIX
from simo2_core.run.directory import RunDirectory

KINDS = ("augmentation", "filters", "reconstructions")
"""Each is the file KIND.png; the last only of an autoencoder."""

_AUGMENTED, _DRAWS = 6, 8


def draw_checkpoint(kind: str, run: RunDirectory, checkpoint: Path, folder: Path, *, dark: bool = False) -> Path:
    """Draws one of `KINDS` into `folder`.

    Raises:
        ConfigError: jax has no device of the kind that it shall use.
        DataError: the run's data set cannot be read any more.
        RunError: the checkpoint is damaged, reconstructs nothing, or the disk refuses.
    """
    require_device()
    theme = DARK if dark else LIGHT
    path = folder / f"{kind}.png"
    draw = {"augmentation": _augmentation, "filters": _filters, "reconstructions": _reconstructions}[kind]
    return draw(path, run, checkpoint, theme)


def _some(part: DataPart, count: int) -> NDArray[np.uint8]:
    """Images spread over the classes."""
    rows = part.rows[sample_by_class(part.labels, count)]
    return np.asarray(part.images[rows])


def _augmentation(path: Path, run: RunDirectory, checkpoint: Path, theme: Theme) -> Path:
    config, meta = run.config, read_meta(checkpoint)
    dataset = load_dataset(config.images)
    part = dataset.views if dataset.views is not None and config.data.labels == "none" else dataset.train
    images = _some(part, _AUGMENTED)
    mean, std = jnp.asarray(meta["mean"], jnp.float32), jnp.asarray(meta["std"], jnp.float32)
    repeated = jnp.asarray(np.repeat(images, _DRAWS, axis=0))
    drawn = np.asarray(augment(jax.random.key(config.seed), repeated, config.augment, mean, std))
    views = (drawn * np.asarray(std) + np.asarray(mean)).reshape(len(images), _DRAWS, *images.shape[1:])
    said = ", ".join(one.told for one in config.augment if one.active)
    note = f"Augmentation: {said}." if said else "This run changes nothing: augmentation is off."
    caption = f"{named(run.name, data_of(run))} · {len(images)} of {len(part):,} training images · seed {config.seed}"
    return draw_augmentation(path, images, views, caption, note, theme=theme)


def _filters(path: Path, run: RunDirectory, checkpoint: Path, theme: Theme) -> Path:
    arrays = evaluated(load(checkpoint)[0])
    name = "encoder/stem/kernel"  # trained, or fitted on training images and frozen
    kernel = arrays[f"params/{name}" if f"params/{name}" in arrays else f"stats/{name}"]
    encoder = run.config.model.encoder
    layer = encoder.first_layer
    where, count = named(run.name, data_of(run)), kernel.shape[-1]
    caption = f"{where} · step {int(checkpoint.name):,} · {encoder.name}, {count} filters"
    return draw_filters(path, kernel, layer, caption, theme=theme)


def _reconstructions(path: Path, run: RunDirectory, checkpoint: Path, theme: Theme) -> Path:
    part = load_dataset(run.config.images).validation
    images = np.asarray(part.images[part.rows[np.linspace(0, len(part) - 1, min(MOST, len(part))).astype(int)]])
    shown, back = reconstruct(checkpoint, images)
    caption = Caption(data_of(run), int(checkpoint.name), len(images), run=run.name)
    return draw_reconstructions(path, images, shown, back, caption, theme=theme)


def reconstruct(checkpoint: Path, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What an autoencoder was shown of images, noise included, and what it gave back.

    Args:
        checkpoint: of a run whose objective is `autoencoder`.
        images: (N, H, W, ch).

    Returns: (N, H, W, ch) each, in [0, 1].

    Raises:
        RunError: the checkpoint is damaged, or of another objective.
    """
    arrays, meta = load(checkpoint)
    config = Config.from_json(meta["config"])
    objective, task = config.objective, task_of(config, len(meta["class_names"]), tuple(meta["image_shape"]))
    if not objective.reconstructs:
        raise RunError(f"{checkpoint} was trained with {objective.name}, which reconstructs nothing.")
    encoder = load_encoder(checkpoint)
    start = "params/" + PREFIX
    now = evaluated(arrays)
    own = {name.removeprefix(start): jnp.asarray(value) for name, value in now.items() if name.startswith(start)}
    mean, std = np.asarray(meta["mean"], np.float32), np.asarray(meta["std"], np.float32)
    noisy = objective.view(jax.random.key(0), normalise(jnp.asarray(images), jnp.asarray(mean), jnp.asarray(std)))
    shown = np.clip(np.asarray(noisy) * std + mean, 0, 1)
    back = objective.reconstruct(own, jnp.asarray(encoder.represent(np.round(shown * 255).astype(np.uint8))), task)
    return shown, np.clip(np.asarray(back) * std + mean, 0, 1)
