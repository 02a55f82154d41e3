"""An encoder on its own, for use without its run: two files that any tool can read.

FOLDER/encoder.safetensors   every array by its path in the NNX module, such as `encoder.stem.kernel`
FOLDER/encoder.json          the architecture, how images are normalised, the classes, and where it comes from
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.checkpoints.checkpoint import load, require_same
from simo2_core.config import Config, ModelConfig
from simo2_core.errors import CheckpointError, ConfigError, RunError
from simo2_core.model.network import Network
from simo2_core.objectives.objective import PREFIX
from simo2_core.run.files import write_into
from simo2_core.settings import plain, read_section

FORMAT = 1
"""Version of `encoder.json`."""

WEIGHTS, FACTS = "encoder.safetensors", "encoder.json"


def export_encoder(checkpoint: Path, folder: Path) -> dict[str, Any]:
    """Writes the encoder and projection head of a checkpoint into `folder`; returns what `encoder.json` holds.

    Raises:
        RunError: the checkpoint is damaged, or the disk refuses.
    """
    from safetensors.numpy import save

    arrays, meta = load(checkpoint)
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
        "normalisation": "(image / 255 - mean) / std, by channel, of uint8 images (N, H, W, channels)",
        "representation": config.model.stages[-1],
        "projection": config.model.embedding_size,
        "class_names": list(meta["class_names"]),
        "trained": {
            "preset": config.preset, "dataset": config.data.dataset, "fingerprint": meta["fingerprint"],
            "objective": config.objective.objective, "step": int(checkpoint.name), "seed": config.seed,
        },
        "arrays": {name: list(value.shape) for name, value in kept.items()},
    }  # fmt: skip
    contents = {WEIGHTS: save(kept), FACTS: json.dumps(facts, indent=1).encode()}
    for name, content in contents.items():
        write_into(folder / name, content, option="--out")
    return facts


def is_exported(folder: Path) -> bool:
    """Whether `folder` is what `export_encoder` writes."""
    return (folder / FACTS).is_file()


def read_exported(folder: Path) -> tuple[ModelConfig, dict[str, NDArray[Any]], dict[str, Any]]:
    """The architecture, the arrays named as in a checkpoint (`params/encoder/stem/kernel`), and the facts.

    Raises:
        RunError: a file is missing or damaged, or is of another architecture than it says.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        facts = json.loads((folder / FACTS).read_bytes())
        if facts["format"] != FORMAT:
            raise RunError(f"{folder / FACTS} has format {facts['format']!r}; this simo2 reads format {FORMAT}.")
        config = read_section(ModelConfig, facts["model"], "model")
        height, width, channels = (int(side) for side in facts["image_shape"])
        stored = load_file(folder / WEIGHTS)
        mean, std = np.asarray(facts["mean"], np.float32), np.asarray(facts["std"], np.float32)
        if mean.shape != (channels,) or std.shape != (channels,):
            raise ValueError("mean and std are not of its channels")
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError, ConfigError) as error:
        raise CheckpointError(f"{folder} is damaged or no exported encoder: {error}.") from None
    _, params, stats = Network.build_abstract(config, channels)
    expected = {f"params/{name}": value for name, value in params.items()}
    expected |= {f"stats/{name}": value for name, value in stats.items()}
    by_name = {name.partition("/")[2].replace("/", "."): name for name in expected}
    arrays = {by_name.get(name, name): value for name, value in stored.items()}
    require_same(arrays, expected, folder)
    return config, arrays, {**facts, "image_shape": (height, width, channels), "mean": mean, "std": std}
