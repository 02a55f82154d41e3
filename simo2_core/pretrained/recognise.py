"""What a file of pretrained weights holds: the encoder, the table that reads it, and how its images are prepared."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from simo2_core.encoders.encoder import Encoder
from simo2_core.errors import CheckpointError, ConfigError
from simo2_core.pretrained.families import convnext, resnet, vit
from simo2_core.pretrained.own import FACTS, ExportedFacts, facts_of_file
from simo2_core.pretrained.place import BESIDE, find_weights
from simo2_core.pretrained.table import WeightEntry, WeightLayout
from simo2_core.pretrained.weights_file import WeightsFile

FAMILIES: tuple[ModuleType, ...] = (resnet, convnext, vit)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_OURS = "encoder."
"""How the arrays of an encoder begin in a file of simo2."""
LARGEST_CONFIG = 2**20
"""Bytes of a config.json that is read."""


@dataclass(frozen=True, eq=False)
class Pretrained:
    """Weights of another library, or of an encoder that simo2 exported."""

    file: WeightsFile
    encoder: Encoder
    layout: WeightLayout
    channels: int
    """Of the images that it was trained on."""
    size: int
    """Pixels of a side of them; 0 where they are not square."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """What they were normalised by, by channel."""
    head: tuple[WeightEntry, ...] = ()
    """Of a projection head, by its own paths such as `head/kernel`; none of another library's."""
    projection: int = 0
    """Dimensions of its embedding; 0 where there is no projection head."""

    def fits(self, entry: WeightEntry, ours: Sequence[int]) -> bool:
        """Whether an array in the file has the shape that it has here."""
        return all(self.file.shapes[name] == shape for name, shape in entry.shapes(ours).items())

    def head_entries(self) -> tuple[str, ...]:
        """Names in the file that are no part of the encoder."""
        known = {name for entry in self.layout.entries for name in entry.theirs}
        named = (name for name in self.file.shapes if name not in known)
        return tuple(sorted(name for name in named if not name.endswith(".num_batches_tracked")))


def family_of(encoder: Encoder) -> ModuleType | None:
    """The family that an encoder is of; None where no library has it."""
    return next((family for family in FAMILIES if family.claims(encoder)), None)


def recognise(text: str) -> Pretrained:
    """What the weights that `text` names are.

    Raises:
        RunError: there are none.
        CheckpointError: the file is damaged, or of a network that is not here; the message says which arrays.
    """
    path = find_weights(text)
    prefixes = tuple(prefix for family in FAMILIES for prefix in family.PREFIXES)
    file = WeightsFile(path, prefixes)
    exported = facts_of_file(path, file.metadata)
    if exported is not None:
        return _of_ours(WeightsFile(path), exported)
    facts = _facts(path.parent)
    for family in FAMILIES:
        try:
            found = family.recognise(file.shapes, facts)
        except (ConfigError, IndexError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path} does not fit: {str(error).rstrip('.')}. Use another file.") from None
        if found is not None:
            encoder, library = found
            return _checked(file, family, encoder, library, facts)
    if any(name.startswith(_OURS) for name in file.shapes):
        raise CheckpointError(
            f"{path} is an encoder of simo2, and {FACTS} is not beside it. Bring it too, or export the run again."
        )
    shown = ", ".join(list(file.shapes)[:3]) or "nothing"
    raise CheckpointError(
        f"{path} holds no network that simo2 has (it begins with {shown}). There are resnet18, 34 and 50, convnext and "
        "vit of timm, torchvision and transformers."
    )


def _of_ours(file: WeightsFile, exported: ExportedFacts) -> Pretrained:
    """An encoder that simo2 exported, whatever its part: its arrays are called as here."""
    entries = {name: WeightEntry(name.removeprefix(_OURS).replace(".", "/"), (name,)) for name in file.shapes}
    inside = tuple(entry for name, entry in entries.items() if name.startswith(_OURS))
    height, width, channels = exported.image_shape
    return Pretrained(
        file,
        exported.model.encoder,
        WeightLayout("simo2", inside),
        channels,
        height if height == width else 0,
        tuple(map(float, exported.mean)),
        tuple(map(float, exported.std)),
        head=tuple(entry for name, entry in entries.items() if not name.startswith(_OURS)),
        projection=exported.model.embedding_size,
    )


def _checked(
    file: WeightsFile, family: ModuleType, encoder: Encoder, library: str, facts: Mapping[str, Any]
) -> Pretrained:
    named = str(facts.get("architecture") or (facts.get("architectures") or [""])[0])
    if named and not re.fullmatch(family.ARCHITECTURES, named.partition(".")[0]):
        raise CheckpointError(f"{file.path} is of {named} by its config.json, which simo2 does not have.")
    layout = family.layout(encoder, library)
    strange = layout.strange(list(file.shapes))
    if strange:
        raise CheckpointError(
            f"{file.path} holds {strange[0]}, which no {encoder.name} has: it is of another network. Use another file."
        )
    stem = next(entry for entry in layout.entries if entry.ours == "stem/kernel")
    shape = file.shapes[stem.theirs[0]]
    if len(shape) != 4:
        raise CheckpointError(f"{file.path} does not fit: {stem.theirs[0]} is {list(shape)}. Use another file.")
    channels = shape[1]
    size, mean, std = _preparation(facts, family.SIZE, channels, file.path.parent)
    return Pretrained(file, encoder, layout, channels, size, mean, std)


def _facts(folder: Path) -> dict[str, Any]:
    """What the files beside the weights say, of all of them together."""
    facts: dict[str, Any] = {}
    for name in BESIDE:
        path = folder / name
        if not path.is_file():
            continue
        try:
            if path.stat().st_size > LARGEST_CONFIG:
                raise ValueError("it is too long")
            read = json.loads(path.read_bytes())
            facts |= {**read, **read.get("pretrained_cfg", {})}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise CheckpointError(
                f"{path} is damaged: {str(error)[:200].rstrip('.')}. Mend it, or remove it."
            ) from None
    return facts


def _preparation(
    facts: Mapping[str, Any], usual: int, channels: int, folder: Path
) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
    """Pixels of a side, mean and standard deviation by channel; ImageNet's where nothing says them."""
    try:
        size = facts.get("crop_size") or facts.get("size") or (facts.get("input_size") or [0, usual, usual])[-1]
        if isinstance(size, Mapping):
            size = size.get("height") or size["shortest_edge"]
        values = [facts.get(key) or facts.get(f"image_{key}") for key in ("mean", "std")]
        ours = [IMAGENET_MEAN, IMAGENET_STD] if channels == 3 else [(0.5,) * channels] * 2
        mean, std = (tuple(float(x) for x in own or given) for own, given in zip(values, ours, strict=True))
        fits = len(mean) == len(std) == channels and 1 <= int(size) <= 8192
        if not fits or not all(0 <= x <= 1 for x in mean) or not all(1 / 512 <= x <= 1 for x in std):
            raise ValueError(f"size {size}, mean {list(mean)}, std {list(std)}")
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise CheckpointError(
            f"{folder} prepares images in a way that cannot be ({error}). Mend its config.json, or remove it."
        ) from None
    return int(size), mean, std


def require_known(found: Pretrained, paths: Collection[str]) -> None:
    """Raises CheckpointError where the file has an array that is none of `paths`, all those of the encoder."""
    for entry in found.layout.entries:
        if entry.ours not in paths:
            raise CheckpointError(
                f"{found.file.path} does not fit: no {found.encoder.name} has {entry.theirs[0]}. Use another file."
            )


def read_encoder(found: Pretrained, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of the encoder by our paths, such as `block0/conv1/kernel`.

    Args:
        shapes: those that it must have, by path.

    Raises:
        CheckpointError: one is missing or does not fit, before any is read.
    """
    entries = {entry.ours: entry for entry in found.layout.entries}
    for name in shapes:
        if name not in entries:
            raise CheckpointError(
                f"{found.file.path} has no {name}: it holds {found.encoder.name}. Use that --encoder."
            )
    for name, shape in shapes.items():
        found.file.check(entries[name], shape)
    return {name: found.file.read(entries[name], shape) for name, shape in shapes.items()}
