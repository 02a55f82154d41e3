"""An encoder for other tools: weights as timm or torchvision name them, or a graph of ONNX; a card beside either.

FOLDER/model.safetensors   the arrays by the library's own names (timm, torch), and for timm
FOLDER/config.json         the architecture and how images are prepared, as its loader reads them; or
FOLDER/encoder.onnx        uint8 images in, representation and embedding out, preparation inside
FOLDER/README.md           what it is, what it reaches, how to load it: the card of a model on the Hub
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from simo2_core.checkpoints.checkpoint import evaluated, load
from simo2_core.checkpoints.exported import CARD, require_exports
from simo2_core.config import Config
from simo2_core.data.augment import normalise
from simo2_core.encoders.encoder import Encoder
from simo2_core.encoders.vit import ViTSmall
from simo2_core.errors import ConfigError
from simo2_core.evaluation.restore import load_network
from simo2_core.export.card import card_of
from simo2_core.export.onnx_trace import graph_of
from simo2_core.model.network import Network
from simo2_core.parts import own
from simo2_core.pretrained.recognise import family_of
from simo2_core.run.files import write_into

OWN, TIMM, TORCH, ONNX = FORMATS = ("simo2", "timm", "torch", "onnx")
_LIBRARIES = {TIMM: "timm", TORCH: "torchvision"}
_OUTPUTS = ("representation", "embedding")


def require_format(format: str, encoder: Encoder) -> None:
    """Raises ConfigError unless an encoder can be written in a format: cheap, for before the work."""
    if format not in FORMATS:
        raise ConfigError(f"format is {format!r}; it must be one of {', '.join(FORMATS)}.")
    if format in _LIBRARIES:
        _architecture(encoder, _LIBRARIES[format])


def export_as(format: str, checkpoint: Path, folder: Path) -> list[Path]:
    """Writes the encoder of a checkpoint into `folder`, and a card; returns the files.

    Args:
        format: `timm`, `torch` or `onnx`.

    Raises:
        ConfigError: the library has no such encoder, or the folder has a file of such a name that no export wrote.
        RunError: the checkpoint is damaged, or the disk refuses.
    """
    if format == ONNX:
        contents, meta = _as_onnx(checkpoint)
    else:
        contents, meta = _as_library(_LIBRARIES[format], checkpoint)
    contents[CARD] = card_of(format, checkpoint, meta).encode()
    require_exports(folder, contents)
    for name, content in reversed(contents.items()):  # the card first
        write_into(folder / name, content, option="--out")
    return [folder / name for name in contents]


def _architecture(encoder: Encoder, library: str) -> str:
    """What a library calls an encoder; raises ConfigError where it has none like it."""
    family = family_of(encoder)
    if family is None or library not in family.LIBRARIES:
        able = ", ".join(
            name for name, part in own("encoder").items()
            if (one := family_of(part())) is not None and library in one.LIBRARIES  # type: ignore[arg-type]
        )  # fmt: skip
        raise ConfigError(f"{library} has no {encoder.name}; it has {able}. Use --format onnx or simo2.")
    named = family.architecture(encoder, library)
    if named is None:
        raise ConfigError(
            f"{library} has no {encoder.name} of these widths and depths, only those published. Use --format onnx."
        )
    return str(named)


def _as_library(library: str, checkpoint: Path) -> tuple[dict[str, bytes], Mapping[str, Any]]:
    from safetensors.numpy import save

    arrays, meta = load(checkpoint)
    arrays = evaluated(arrays)
    encoder = Config.from_json(meta["config"]).model.encoder
    named, family = _architecture(encoder, library), family_of(encoder)
    assert family is not None
    ours = {name.split("/encoder/", 1)[1]: value for name, value in arrays.items() if _is_of_encoder(name)}
    weights = save(family.layout(encoder, library).written(ours), metadata={"format": "pt"})
    contents = {"model.safetensors": weights}
    if library == TIMM:
        contents["config.json"] = json.dumps(_timm_config(named, encoder, meta), indent=1).encode()
    return contents, meta


def _is_of_encoder(name: str) -> bool:
    return name.startswith(("params/encoder/", "stats/encoder/"))


def _timm_config(named: str, encoder: Encoder, meta: Mapping[str, Any]) -> dict[str, Any]:
    """What timm's loader of a model on the Hub, or of a local folder, reads."""
    height, width, channels = meta["image_shape"]
    pooled = "token" if isinstance(encoder, ViTSmall) and encoder.pooling == "token" else "avg"
    arguments: dict[str, Any] = {}
    if isinstance(encoder, ViTSmall):
        arguments |= {"dynamic_img_size": True, "global_pool": pooled}
        if encoder.positions == "learned":  # the size that the positions are for, not that of the images
            arguments["img_size"] = encoder.position_grid * encoder.patch_size
    return {
        "architecture": named,
        "num_classes": 0,
        "num_features": encoder.features,
        "global_pool": pooled,
        "model_args": {**arguments, **({"in_chans": channels} if channels != 3 else {})},
        "pretrained_cfg": {
            "input_size": [channels, height, width],
            "fixed_input_size": False,
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "crop_mode": {"crop": "center", "pad": "border", "squash": "squash"}[_data(meta).resize],
            "mean": meta["mean"],
            "std": meta["std"],
            "num_classes": 0,
        },
    }


def _data(meta: Mapping[str, Any]) -> Any:
    return Config.from_json(meta["config"]).data


def _as_onnx(checkpoint: Path) -> tuple[dict[str, bytes], Mapping[str, Any]]:
    _, params, stats, meta = load_network(checkpoint)
    model = dataclasses.replace(Config.from_json(meta["config"]).model, precision="float32")
    network, *_ = Network.build_abstract(model, meta["image_shape"][2])
    known: list[dict[str, NDArray[Any]]] = [
        {name: np.asarray(value) for name, value in arrays.items()} for arrays in (params, stats)
    ]
    mean, std = (np.asarray(meta[key], np.float32) for key in ("mean", "std"))

    def embed(images: Any) -> Any:
        return network.infer(known[0], known[1], normalise(images, jnp.asarray(mean), jnp.asarray(std)))  # type: ignore[arg-type]

    height, width, channels = meta["image_shape"]
    metadata = {
        "images": f"uint8 (batch, {height}, {width}, {channels}), channels last, as decoded",
        "preparation": f"inside: (images / 255 - {mean.tolist()}) / {std.tolist()}, by channel",
        "resize": _data(meta).resize,
        "class_names": json.dumps(list(meta["class_names"])),
        "fingerprint": str(meta["fingerprint"]),
        "encoder": model.encoder.name,
    }
    described = "uint8 images to representation (pooled features) and embedding (unit rows)"
    return {"encoder.onnx": graph_of(embed, meta["image_shape"], _OUTPUTS, metadata, described)}, meta
