"""What there is to know before a run starts, without loading jax or the data."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simo2_core.config import PROPORTIONAL, Config
from simo2_core.data.catalogue import expected_facts
from simo2_core.data.dataset import Note
from simo2_core.data.facts import DatasetFacts
from simo2_core.data.load import alike, splits_of
from simo2_core.data.placement import Machine, host_memory_free
from simo2_core.data.sources.open import claimant, open_source
from simo2_core.data.sources.place import is_place
from simo2_core.data.sources.prepared import TfdsName, find
from simo2_core.data.upkeep import room
from simo2_core.data_config import HOLD_OUT, DataConfig
from simo2_core.errors import DataError, PartError
from simo2_core.faults import naming_faults
from simo2_core.paths import is_dir, user_path
from simo2_core.preflight import preflight
from simo2_core.presets import PRESETS, Preset
from simo2_tui.session.estimate import Pace, estimate, preset_of
from simo2_tui.widgets.text import duration

Row = tuple[str, str]
"""(severity, sentence); severity is ready, needs, time, error, warning or info."""

HEAVY_BATCH = 100_000
"""Pixels of a batch from which on a missing GPU is minded: a batch of digits has 10,240, of MNIST 250,880."""


def find_out(preset: Preset, config: Config, paces: Sequence[Pace] = (), *, scan: bool = True) -> list[Row]:
    """What is needed and what to mind, the most needed first.

    The classes of a preset are taken as equally large, which is what it can promise before its data are read; those of
    a folder of images are counted.

    Args:
        paces: how fast earlier runs went.
        scan: whether a folder may be listed now, which takes seconds where it holds a million files.
    """
    rows = [data_state(preset, config), _time(config, paces)]
    try:
        with naming_faults():
            return [*rows, *_minded(config, scan)]
    except (DataError, PartError) as error:
        return [*rows, ("error", str(error))]


def _minded(config: Config, scan: bool) -> list[Row]:
    """What to mind of the data, the device and the settings together."""
    facts = _facts(config, scan)
    if facts is None:
        return [*_device(config), ("info", "classes and sizes are known when the data have been read")]
    machine = Machine(device="this machine", device_free=host_memory_free(), disk_free=room())
    hidden = {"placement", "memory"} if gpu() else set()  # what a GPU has room for is known when jax has asked it
    if not config.data.image_size and is_place(config.data.dataset):
        hidden |= {"placement", "image-size"}
    findings = [item for item in preflight(config, facts, machine) if item.code not in hidden]
    shape = "×".join(str(side) for side in facts.image_shape) if all(facts.image_shape) else ""
    about = f"{facts.classes} classes{f' of {shape} images' if shape else ''}"
    if config.data.labels == "none":
        batch = f"a batch is {config.batch_size // config.samples_per_class} images × {config.samples_per_class} views"
    elif config.sampling == PROPORTIONAL:
        batch = f"a batch is {config.batch_shape(facts.classes)[0]} images, classes as often as the data have them"
    else:
        batch = f"a batch is {config.classes_per_batch(facts.classes)} classes × {config.samples_per_class} images"
    told: list[Row] = [(item.severity, f"{item.message} {item.cure}".strip()) for item in findings]
    pressing = [row for row in told if row[0] != "info"]
    return [
        *pressing,
        *_device(config),
        ("info", f"{about}; {batch}, D {config.model.embedding_size}"),
        *[r for r in told if r[0] == "info"],
    ]


def data_state(preset: Preset, config: Config) -> Row:
    """Whether the images are on this machine."""
    name = config.data.dataset
    own = name == preset.config.data.dataset
    about = f"{preset.title}; " if own else ""
    if name == "digits":
        return ("ready", f"{about}ships with scikit-learn")
    if is_dir(user_path(name)):
        return ("ready", f"{about}images in {name}")
    try:
        with naming_faults():
            part = claimant(config.data)
            if not part.last and part.is_on_disk(config.data):
                return ("ready", f"{about}{part.summary}")
        if not part.last and not is_place(name):
            return ("needs", f"{name}: not on this machine; {part.summary}")
        found = [item for item in find(TfdsName.parse(name), config.data.data_dir) if item.readable]
    except (DataError, PartError) as error:
        return ("error", str(error))
    if found:
        return ("ready", f"{about}prepared in {found[0].path}")
    return ("needs", f"{about}{preset.needs}" if own else f"{name}: not prepared on this machine")


def _time(config: Config, paces: Sequence[Pace]) -> Row:
    """How long it would take, and where that is known from."""
    if config.minutes:
        time = duration(60 * config.minutes)
        if config.max_passes:
            return ("time", f"{time} at most or {config.max_passes} passes over the images, whichever is first")
        return ("time", f"{time}, whatever the speed: steps are planned as it trains")
    found = estimate(config, paces, gpu=gpu())
    if found is None:
        trial = ": t takes some steps and measures" if preset_of(config) else ""
        return ("time", f"not known, no earlier run here is like it{trial}")
    pace = found.pace
    scaled = f", scaled from batches of {found.scaled_from}" if found.scaled_from else ""
    compiling = f" and {duration(pace.compile_seconds)} of compiling" if pace.compile_seconds >= 1 else ""
    rate = 1 / pace.step_seconds
    speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
    return (
        "time",
        f"about {duration(found.seconds)}{compiling} for {config.steps:,} steps: "
        f"{pace.name} made {speed} steps/s{scaled}",
    )


def _device(config: Config) -> list[Row]:
    """What to know of the device that it would train on."""
    nvidia = Path("/proc/driver/nvidia/version").exists()
    if nvidia and not gpu():
        why = "JAX_PLATFORMS says cpu" if _only_cpu() else "jax has no CUDA plugin: pip install 'simo2[cuda]'"
        return [("warning", f"there is an NVIDIA driver, but the run would not use it: {why}.")]
    pixels = config.batch_size * config.data.image_size**2 * max(1, config.data.channels)
    if not gpu() and pixels >= HEAVY_BATCH:
        return [
            (
                "warning",
                "no GPU here: batches of this size are slow on a processor. Smaller --widths or --image-size help.",
            )
        ]
    return []


def gpu() -> bool:
    """Whether jax would find an NVIDIA GPU, without asking jax, which takes seconds."""
    if _only_cpu() or not Path("/proc/driver/nvidia/version").exists():
        return False
    return any(importlib.util.find_spec(name) for name in ("jax_cuda12_plugin", "jax_cuda13_plugin"))


def _only_cpu() -> bool:
    return os.environ.get("JAX_PLATFORMS", "").strip() == "cpu" or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")


def _facts(config: Config, scan: bool) -> DatasetFacts | None:
    """What is known of the data set; None for one that no preset describes and that is not a folder."""
    data = config.data
    if is_place(data.dataset):
        return _folder_facts(data) if scan else None
    for preset in PRESETS.values():
        if preset.config.data.dataset == data.dataset:
            return _preset_facts(preset, data)
    return None


def _preset_facts(preset: Preset, data: DataConfig) -> DatasetFacts:
    height, width, channels = preset.image_shape
    side = data.image_size
    share = (1 - data.validation_fraction) * (1 if data.test_split not in (None, HOLD_OUT) else 1 - data.test_fraction)
    each = int(preset.train_images / preset.classes * share)
    facts = expected_facts(
        data,
        classes=preset.classes,
        image_shape=(side or height, side or width, data.channels or channels),
        images=preset.train_images + preset.test_images,
        splits=preset.splits if data.dataset != "digits" else (),
    )
    return dataclasses.replace(facts, train_counts=np.full(preset.classes, each, np.int64))


def _folder_facts(data: DataConfig) -> DatasetFacts:
    folder = str(user_path(data.dataset).absolute())
    counted = _count(dataclasses.replace(data, dataset=folder))
    held_out = (1 if "validation" in counted.parts else 1 - data.validation_fraction) * (
        1 if "test" in counted.parts else 1 - data.test_fraction
    )
    facts = expected_facts(
        data,
        classes=len(counted.classes),
        image_shape=(data.image_size, data.image_size, data.channels or 3),
        images=counted.images,
    )
    return dataclasses.replace(
        facts,
        train_counts=(counted.classes * held_out).astype(np.int64),
        empty_classes=counted.empty,
        notes=counted.notes,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Counted:
    """What a folder of images holds."""

    classes: NDArray[np.int64]
    """(C,) images of each class of train."""
    images: int
    """Of all parts."""
    parts: tuple[str, ...]
    """Those with a folder of their own."""
    empty: tuple[str, ...]
    notes: tuple[Note, ...]


@functools.lru_cache(maxsize=8)
def _count(data: DataConfig) -> _Counted:
    """Raises DataError for no folder of images."""
    source = open_source(data)
    splits = splits_of(source, data)
    opened = {part: source.split(split) for part, split in splits.items()}
    train = opened["train"]
    counts = np.bincount(train.labels[train.labels >= 0], minlength=len(train.class_names)).astype(np.int64)
    images = sum(len(split.records) for split in opened.values())
    return _Counted(counts, images, tuple(opened), source.empty_classes, (*source.notes, *alike(train.class_names)))
