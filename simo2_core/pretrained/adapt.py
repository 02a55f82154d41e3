"""A run's settings made to fit pretrained weights: the encoder, and how images are prepared for it."""

from __future__ import annotations

from typing import Any

from simo2_core.config import Config
from simo2_core.errors import ConfigError
from simo2_core.pretrained.recognise import recognise


def with_pretrained(config: Config) -> Config:
    """The settings with the encoder of the weights in `init`, and with their normalisation and size of images.

    A size, a mean or a number of channels that is set is kept.

    Raises:
        RunError: there are no such weights.
        CheckpointError: they are damaged, or of a network that is not here.
        ConfigError: they are for images of other channels.
    """
    assert config.tune.init is not None
    found, data = recognise(config.tune.init), config.data
    if data.channels not in (0, found.channels):
        raise ConfigError(
            f"channels is {data.channels} and {found.file.path} is for images of {found.channels}. "
            f"Use --channels {found.channels}."
        )
    changes: dict[str, Any] = {"encoder": found.encoder, "init": str(found.file.path), "channels": found.channels}
    if not data.image_size:
        changes["image_size"] = found.size
    if not data.mean:
        changes |= {"mean": found.mean, "std": found.std}
    return config.replace(changes)
