"""What simo2 says of an encoder that it exported: in `encoder.json`, and in the file of its arrays itself.

FOLDER/encoder.safetensors   every array by its path in the NNX module, such as `encoder.stem.kernel`
FOLDER/encoder.json          the architecture, how images are normalised, the classes, where it comes from, and the
                             SHA-256 of the arrays
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.config import ModelConfig
from simo2_core.config_format import model_from_format_1
from simo2_core.data_config import DataConfig
from simo2_core.errors import CheckpointError, ConfigError
from simo2_core.sections import read_section

FORMAT = 1
"""Version of `encoder.json`."""

WEIGHTS, FACTS = "encoder.safetensors", "encoder.json"

METADATA = "simo2"
"""Under which key the file of the arrays has the same facts, but for those of the file itself."""

LONGEST_SIDE = 16_384
"""Pixels of the longest side of an image that an encoder can be for."""

LEAST_STD = 1 / 512
"""The least standard deviation that images are divided by: half a grey level."""

_UNFIT = (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError, ConfigError)


@dataclass(frozen=True, eq=False)
class ExportedFacts:
    """The facts of an export, each found fit."""

    model: ModelConfig
    image_shape: tuple[int, int, int]
    """Height, width and channels."""
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    """What images are normalised by, by channel."""
    all: Mapping[str, Any]
    """As they are written."""


def read_facts(path: Path) -> ExportedFacts:
    """What `encoder.json` says of the arrays that lie beside it, and that they are those.

    Raises:
        CheckpointError: either file is missing or damaged, or they are not of each other.
    """
    try:
        facts = json.loads(path.read_bytes())
        known = facts.get("sha256")
        if known not in (None, hashlib.sha256((path.parent / WEIGHTS).read_bytes()).hexdigest()):
            raise ValueError(f"{WEIGHTS} has changed since it was written. Export it again, or copy it anew")
    except _UNFIT as error:
        raise _damaged(path.parent, error) from None
    return parse_facts(facts, path.parent)


def parse_facts(facts: Any, where: Path) -> ExportedFacts:
    """The facts of an export, read from JSON in `where`; raises CheckpointError for those that no encoder has."""
    try:
        if facts["format"] != FORMAT:
            raise CheckpointError(f"{where} has format {facts['format']!r}; this simo2 reads format {FORMAT}.")
        model = read_section(ModelConfig, model_from_format_1(facts["model"]), "model")
        shape = _image_shape(facts["image_shape"])
        mean = _per_channel(facts, "mean", shape[2], 0.0)
        std = _per_channel(facts, "std", shape[2], LEAST_STD)
        rule = facts.get("images", {})
        DataConfig(**{name: rule[name] for name in rule.keys() - {"height", "width", "channels"}})  # refuses the unfit
    except KeyError as error:
        raise CheckpointError(f"{where} is damaged or no exported encoder: it has no {error}.") from None
    except _UNFIT as error:
        raise _damaged(where, error) from None
    return ExportedFacts(model, shape, mean, std, facts)


def facts_of_file(path: Path, metadata: Mapping[str, str]) -> ExportedFacts | None:
    """The facts of a file of arrays: of `encoder.json` beside it, else of its own metadata; None where it has none.

    Raises:
        CheckpointError: they are damaged, or not of this file.
    """
    if path.name == WEIGHTS and (path.parent / FACTS).is_file():
        return read_facts(path.parent / FACTS)
    if METADATA not in metadata:
        return None
    try:
        facts = json.loads(metadata[METADATA])
    except _UNFIT as error:
        raise _damaged(path, error) from None
    return parse_facts(facts, path)


def _damaged(where: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{where} is damaged or no exported encoder: {str(error).rstrip('.')}.")


def _image_shape(given: Any) -> tuple[int, int, int]:
    """Height, width and channels; raises ValueError for what no image has."""
    height, width, channels = given
    sides = all(type(side) is int and 1 <= side <= LONGEST_SIDE for side in (height, width))
    if not sides or channels not in (1, 3):
        raise ValueError(f"image_shape is {given!r}; it must be two sides up to {LONGEST_SIDE:,} and 1 or 3 channels")
    return height, width, int(channels)


def _per_channel(facts: Mapping[str, Any], name: str, channels: int, least: float) -> NDArray[np.float32]:
    """(channels,) numbers that images are normalised by; raises ValueError for what no images have."""
    found = np.asarray(facts[name], np.float64)
    if found.shape != (channels,) or not ((found >= least) & (found <= 1)).all():
        raise ValueError(f"{name} is {facts[name]!r}; it must be {channels} numbers from {least:.3g} to 1")
    return found.astype(np.float32)
