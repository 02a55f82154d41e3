"""What there is to know before a run starts, without loading jax or the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from simo2_core.config import Config
from simo2_core.data.placement import Machine, disk_free, host_memory_free
from simo2_core.data.preflight import DatasetFacts, preflight
from simo2_core.data.sources.prepared import TfdsName, find
from simo2_core.errors import DataError
from simo2_core.presets import Preset


def find_out(preset: Preset, config: Config) -> list[tuple[str, str]]:
    """(severity, sentence) of what is needed and what to mind; severity is ready, needs, error, warning or info.

    The classes are taken as equally large, which is what a preset can promise before its data are read.
    """
    there = _data_state(preset, config)
    if config.data.dataset != preset.config.data.dataset:
        return [there, ("info", "classes and sizes are known when the data have been read")]
    share = (1 - config.data.validation_fraction) * (1 if config.data.test_split else 1 - config.data.test_fraction)
    each = int(preset.train_images / preset.classes * share)
    side = config.data.image_size
    height, width, channels = preset.image_shape
    facts = DatasetFacts(
        classes=preset.classes,
        image_shape=(side or height, side or width, config.data.channels or channels),
        images=preset.train_images,
        train_counts=np.full(preset.classes, each, np.int64),
    )
    machine = Machine(device="cpu", device_free=host_memory_free(), disk_free=disk_free(Path.home()))
    findings = [item for item in preflight(config, facts, machine) if item.code != "placement"]
    drawn = config.classes_per_batch(preset.classes)
    shape = f"{height}×{width}×{channels}"
    rows = [
there,
        ("info", f"{preset.classes} classes of {shape} images; a batch is {drawn} classes × "
                 f"{config.samples_per_class} images, D {config.model.embedding_size}"),
    ]  # fmt: skip
    return rows + [(item.severity, f"{item.message} {item.cure}".strip()) for item in findings]


def _data_state(preset: Preset, config: Config) -> tuple[str, str]:
    """Whether the images are on this machine."""
    name = config.data.dataset
    own = name == preset.config.data.dataset
    about = f"{preset.title}; " if own else ""
    if name == "digits":
        return ("ready", f"{about}ships with scikit-learn")
    if Path(name).expanduser().is_dir():
        return ("ready", f"{about}images in {name}")
    try:
        found = [item for item in find(TfdsName.parse(name), config.data.data_dir) if item.readable]
    except DataError as error:
        return ("error", str(error))
    if found:
        return ("ready", f"{about}prepared in {found[0].path}")
    return ("needs", f"{about}{preset.needs}" if own else f"{name}: not prepared on this machine")
