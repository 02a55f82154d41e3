"""A folder of images with planted mistakes, and a run of it whose encoder sees the pixels themselves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from simo2_core.data.dataset import Dataset
from simo2_core.data.load import load_dataset
from simo2_core.evaluation.features import Features
from simo2_core.presets import config_for
from simo2_core.run.directory import RunDirectory
from tests.simo2_core.data.pictures import encoded, picture

CLASSES = ("cat", "dog", "emu")
MISLABELLED = {"train/cat/5.png": "dog", "test/emu/1.png": "cat"}
"""By path, whose picture it is."""
LEAK = ("train/dog/3.png", "test/dog/2.png")
CONFLICT = ("train/cat/2.png", "train/emu/2.jpg")
OUTLIER = "train/emu/9.png"


def photograph(name: str, seed: int) -> Image.Image:
    """One that looks like the others of its class, and equals none."""
    base = np.asarray(picture(CLASSES.index(name)), np.float64)
    noise = np.random.default_rng((seed, CLASSES.index(name))).normal(0, 30, base.shape)
    return Image.fromarray(np.clip(base + noise, 0, 255).astype(np.uint8))


def write_folder(root: Path, counts: tuple[int, int] = (12, 4)) -> Path:
    """`root/train/CLASS` and `root/test/CLASS` with what the constants above name."""
    for part, (split, count) in enumerate(zip(("train", "test"), counts, strict=True)):
        for name in CLASSES:
            (root / split / name).mkdir(parents=True)
            for index in range(count):
                path = f"{split}/{name}/{index}.png"
                shown = photograph(MISLABELLED.get(path, name), 100 * part + index + 1000 * (path in MISLABELLED))
                (root / path).write_bytes(encoded(shown))
    (root / LEAK[1]).write_bytes((root / LEAK[0]).read_bytes())
    (root / CONFLICT[1]).with_suffix(".png").unlink()
    Image.open(root / CONFLICT[0]).save(root / CONFLICT[1], quality=95, subsampling=0)
    noise = np.random.default_rng(5).integers(0, 256, (16, 16, 3), np.uint8)
    (root / OUTLIER).write_bytes(encoded(Image.fromarray(noise)))
    return root


@dataclass(frozen=True)
class Doubtful:
    """What `doubtful` makes."""

    root: Path
    run: RunDirectory
    checkpoint: Path
    dataset: Dataset


def make_doubtful(folder: Path, patch: pytest.MonkeyPatch, **settings: Any) -> Doubtful:
    """The folder, and a run called one in `folder/runs`."""
    root = write_folder(folder / "set")
    config = config_for(str(root)).replace({"image_size": 16, **settings})
    dataset = load_dataset(config.images, workers=0)
    run = RunDirectory.create(folder / "runs", "one", config)
    checkpoint = run.checkpoints / "7"
    checkpoint.mkdir()
    meta = {"image_shape": dataset.image_shape, "fingerprint": dataset.fingerprint, "config": config.to_json()}

    def pixels(_: Path, __: Path, images: Dataset, **___: Any) -> dict[str, Features]:
        seen = {name: part.gather().reshape(len(part), -1) for name, part in images.parts.items()}
        return {name: Features(rows - np.float32(128), rows - np.float32(128)) for name, rows in seen.items()}

    patch.setattr("simo2_core.clean.find.features_of", pixels)
    for place in ("simo2_core.clean.find.read_meta", "simo2_core.evaluation.features.read_meta"):
        patch.setattr(place, lambda _: meta)
    patch.setattr("simo2_core.evaluation.restore.find_checkpoint", lambda *_: checkpoint)
    return Doubtful(root, run, checkpoint, dataset)
