"""An encoder on its own, for use without its run: two files that any tool can read, see `simo2_core.pretrained.own`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.checkpoints.checkpoint import evaluated, load, require_same
from simo2_core.config import Config, ModelConfig
from simo2_core.errors import CheckpointError, ConfigError
from simo2_core.model.network import Network
from simo2_core.objectives.objective import PREFIX
from simo2_core.pretrained.own import FACTS, FORMAT, METADATA, WEIGHTS, read_facts
from simo2_core.run.files import write_into
from simo2_core.sections import plain

CARD = "README.md"
"""What an export for another library says of itself, for people and for the Hub."""


def export_encoder(checkpoint: Path, folder: Path) -> dict[str, Any]:
    """Writes the encoder and projection head of a checkpoint into `folder`; returns what `encoder.json` holds.

    Raises:
        ConfigError: the folder has a file of such a name that no export wrote.
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
    }
    weights = save(kept, metadata={METADATA: json.dumps(facts)})  # a file without the other says what it is as well
    facts["arrays"] = {name: list(value.shape) for name, value in kept.items()}
    facts["sha256"] = hashlib.sha256(weights).hexdigest()
    contents = {FACTS: json.dumps(facts, indent=1).encode(), WEIGHTS: weights}
    require_exports(folder, contents)
    for name, content in contents.items():
        write_into(folder / name, content, option="--out")
    return facts


def require_exports(folder: Path, names: Iterable[str]) -> None:
    """Raises ConfigError where a file of one of these names is in `folder` and no export wrote it.

    What tells an export, its facts or its card, is written before the rest.
    """
    described, carded = _has(folder / FACTS, b'"image_shape"'), _has(folder / CARD, b"\n- simo2\n")
    for name in names:
        if (folder / name).exists() and not (described if name in (WEIGHTS, FACTS) else carded):
            raise ConfigError(
                f"--out is {folder}, which has a {name} that no export wrote. Name another folder, there or to be made."
            )


def _has(path: Path, mark: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return mark in file.read(100_000)  # both stand near the beginning
    except OSError:
        return False


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

    known = read_facts(folder / FACTS)
    try:
        stored = load((folder / WEIGHTS).read_bytes())
    except (OSError, ValueError, OverflowError, SafetensorError) as error:
        raise CheckpointError(f"{folder} is damaged or no exported encoder: {str(error).rstrip('.')}.") from None
    _, params, stats = Network.build_abstract(known.model, known.image_shape[2])
    expected = {f"params/{name}": value for name, value in params.items()}
    expected |= {f"stats/{name}": value for name, value in stats.items()}
    by_name = {name.partition("/")[2].replace("/", "."): name for name in expected}
    arrays = {by_name.get(name, name): value for name, value in stored.items()}
    require_same(arrays, expected, folder)
    return known.model, arrays, {**known.all, "image_shape": known.image_shape, "mean": known.mean, "std": known.std}
