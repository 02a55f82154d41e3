"""An encoder on its own, for use without its run: two files that any tool can read.

FOLDER/encoder.safetensors   every array by its path in the NNX module, such as `encoder.stem.kernel`
FOLDER/encoder.json          the architecture, how images are normalised, the classes, where it comes from, and the
                             SHA-256 of the arrays
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.checkpoints.checkpoint import evaluated, load, require_same
from simo2_core.config import Config, ModelConfig
from simo2_core.config_format import model_from_format_1
from simo2_core.data_config import DataConfig
from simo2_core.errors import CheckpointError, ConfigError, RunError
from simo2_core.model.network import Network
from simo2_core.objectives.objective import PREFIX
from simo2_core.run.files import write_into
from simo2_core.sections import plain, read_section

FORMAT = 1
"""Version of `encoder.json`."""

WEIGHTS, FACTS = "encoder.safetensors", "encoder.json"

LONGEST_SIDE = 16_384
"""Pixels of the longest side of an image that an encoder can be for."""

LEAST_STD = 1 / 512
"""The least standard deviation that images are divided by: half a grey level."""


def export_encoder(checkpoint: Path, folder: Path) -> dict[str, Any]:
    """Writes the encoder and projection head of a checkpoint into `folder`; returns what `encoder.json` holds.

    Raises:
        RunError: the checkpoint is damaged, or the disk refuses.
    """
    from safetensors.numpy import save

    arrays, meta = load(checkpoint)
    arrays = evaluated(arrays)
    config = Config.from_json(meta["config"])
    height, width, channels = meta["image_shape"]
    kept = {
        name.partition("/")[2].replace("/", "."): np.asarray(value, order="C")
        for name, value in sorted(arrays.items())
        if name.startswith(("params/", "stats/")) and not name.startswith("params/" + PREFIX)
    }
    weights = save(kept)
    facts = {
        "format": FORMAT,
        "model": plain(config.model),
        "image_shape": [height, width, channels],
        "mean": [float(x) for x in meta["mean"]],
        "std": [float(x) for x in meta["std"]],
        "images": image_rule(meta),
        "normalisation": "(image / 255 - mean) / std, by channel, of uint8 images (N, H, W, channels)",
        "representation": config.model.encoder.features,
        "projection": config.model.embedding_size,
        "class_names": list(meta["class_names"]),
        "trained": {
            "preset": config.preset,
            "dataset": config.data.dataset,
            "fingerprint": meta["fingerprint"],
            "objective": config.objective.name,
            "step": int(checkpoint.name),
            "seed": config.seed,
        },
        "arrays": {name: list(value.shape) for name, value in kept.items()},
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    contents = {WEIGHTS: weights, FACTS: json.dumps(facts, indent=1).encode()}
    for name, content in contents.items():
        write_into(folder / name, content, option="--out")
    return facts


def image_rule(meta: Mapping[str, Any]) -> dict[str, Any]:
    """How files are made into images as those of training, as the fields of `data.decode.Rule`.

    Args:
        meta: of a checkpoint, or the facts of an export; what an export of before 2026-11-28 lacks is the usual.
    """
    if "config" not in meta:
        height, width, channels = meta["image_shape"]
        return dict(meta.get("images", {"resize": "crop"})) | {"height": height, "width": width, "channels": channels}
    data, (height, width, channels) = Config.from_json(meta["config"]).data, meta["image_shape"]
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "resize": data.resize,
        "background": data.background,
        "depth": data.depth,
    }


def is_exported(folder: Path) -> bool:
    """Whether `folder` is what `export_encoder` writes."""
    return (folder / FACTS).is_file()


def read_exported(folder: Path) -> tuple[ModelConfig, dict[str, NDArray[Any]], dict[str, Any]]:
    """The architecture, the arrays named as in a checkpoint (`params/encoder/stem/kernel`), and the facts.

    An export of before there was a checksum is taken for what it says.

    Raises:
        RunError: a file is missing or damaged, or is of another architecture than it says.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        facts = json.loads((folder / FACTS).read_bytes())
        if facts["format"] != FORMAT:
            raise RunError(f"{folder / FACTS} has format {facts['format']!r}; this simo2 reads format {FORMAT}.")
        config = read_section(ModelConfig, model_from_format_1(facts["model"]), "model")
        shape = _image_shape(facts["image_shape"])
        mean = _per_channel(facts, "mean", shape[2], 0.0)
        std = _per_channel(facts, "std", shape[2], LEAST_STD)
        content = (folder / WEIGHTS).read_bytes()
        if facts.get("sha256") not in (None, hashlib.sha256(content).hexdigest()):
            raise ValueError(f"{WEIGHTS} has changed since it was written. Export it again, or copy it anew")
        rule = facts.get("images", {})
        DataConfig(
            **{name: rule[name] for name in rule.keys() - {"height", "width", "channels"}}
        )  # refuses what is unfit
        stored = load(content)
    except KeyError as error:
        raise CheckpointError(f"{folder} is damaged or no exported encoder: it has no {error}.") from None
    except (
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        SafetensorError,
        ConfigError,
    ) as error:
        problem = str(error).rstrip(".")
        raise CheckpointError(f"{folder} is damaged or no exported encoder: {problem}.") from None
    _, params, stats = Network.build_abstract(config, shape[2])
    expected = {f"params/{name}": value for name, value in params.items()}
    expected |= {f"stats/{name}": value for name, value in stats.items()}
    by_name = {name.partition("/")[2].replace("/", "."): name for name in expected}
    arrays = {by_name.get(name, name): value for name, value in stored.items()}
    require_same(arrays, expected, folder)
    return config, arrays, {**facts, "image_shape": shape, "mean": mean, "std": std}


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
