"""Our decoding processes against Grain's, on the two jobs they have. pip install grain; pytest … -s."""

import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from absl import flags
from PIL import Image

from simo2_core.data.build import labelled_order
from simo2_core.data.decode import Rule, backend, decode_image
from simo2_core.data.headers import settle_rule
from simo2_core.data.load import load_dataset
from simo2_core.data.on_demand import OnDemandImages
from simo2_core.data.sources.folder import FolderSource
from simo2_core.data_config import DataConfig

grain = pytest.importorskip("grain")
CIFAR10 = os.environ.get("SIMO2_CIFAR10", "")
WORKERS = 2


@dataclasses.dataclass(frozen=True)
class Decoded:
    """What Grain reads: the image of each file, decoded by the same function as ours."""

    files: list[str]
    rule: Rule

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> np.ndarray:
        return decode_image(Path(self.files[row]).read_bytes(), self.rule)


def batches(decoded: Decoded, batch: int, way: str) -> Iterator[np.ndarray]:
    """Batches in order, by Grain's threads, which share this interpreter's lock, or by its processes."""
    images = grain.MapDataset.source(decoded).batch(batch)
    if way == "threads":
        return iter(images.to_iter_dataset(grain.ReadOptions(num_threads=WORKERS, prefetch_buffer_size=2 * WORKERS)))
    if not flags.FLAGS.is_parsed():  # its processes are handed the flags of absl
        flags.FLAGS.mark_as_parsed()
    alone = images.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=1))
    return iter(alone.mp_prefetch(grain.MultiprocessingOptions(num_workers=WORKERS, per_worker_buffer_size=2)))


def rate(images: int, function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return images / (time.perf_counter() - start)


def test_streaming_photographs(tmp_path: Path) -> None:
    """Batches of 320 of 224 px: ours decodes each when it is asked for, Grain may decode ahead."""
    batch, rounds = 320, 6
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(batch // 2):
            coarse = Image.fromarray(rng.integers(0, 256, (47, 63, 3), dtype=np.uint8))
            coarse.resize((500, 375), Image.Resampling.BICUBIC).save(tmp_path / name / f"{index}.jpg", quality=90)
    split = FolderSource(tmp_path).split("train")
    config = DataConfig(dataset=str(tmp_path), image_size=224)
    rule, order = settle_rule(split, config, "")[0], labelled_order(split, config, "")
    images = OnDemandImages(split, order, rule, workers=WORKERS)
    rows = rng.integers(0, batch, batch)
    files = sorted(str(path) for path in tmp_path.rglob("*.jpg"))
    decoded = Decoded([files[row] for row in rows] * (2 * rounds), rule)

    def ours() -> None:
        for _ in range(rounds):
            images[rows]

    def next_ones(iterator: Iterator[np.ndarray]) -> None:
        for _ in range(rounds):
            next(iterator)

    images[rows]
    rates: dict[str, list[float]] = {"ours": [], "threads": [], "processes": []}
    for _ in range(5):
        rates["ours"].append(rate(batch * rounds, ours))
        for way in ("threads", "processes"):
            iterator: Any = batches(decoded, batch, way)
            next_ones(iterator) if way == "processes" else next(iterator)  # they have started
            rates[way].append(rate(batch * rounds, partial(next_ones, iterator)))
            iterator.close()
    images.close()
    best = {way: np.median(several) for way, several in rates.items()}
    print(f"\n224 px, {backend()}, images/s: " + ", ".join(f"{way} {value:,.0f}" for way, value in best.items()))
    assert best["ours"] >= 0.85 * max(best.values())


@pytest.mark.skipif(not CIFAR10, reason="SIMO2_CIFAR10 is not set")
def test_building_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """50,000 JPEG files into one array on the disk; ours lists them and fingerprints the entry as well."""
    config = DataConfig(dataset=f"{CIFAR10}/train")
    files = sorted(str(path) for path in Path(CIFAR10, "train").rglob("*.jpg"))
    decoded = Decoded(files, Rule(height=32, width=32, channels=3))

    def fill(way: str, folder: Path) -> None:
        if way == "ours":
            monkeypatch.setenv("SIMO2_CACHE", str(folder))
            load_dataset(config, workers=WORKERS)
            return
        folder.mkdir()
        shape = (len(files), 32, 32, 3)
        out = np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
        iterator: Any = batches(decoded, 500, way)
        for at in range(0, len(files), 500):
            out[at : at + 500] = next(iterator)
        iterator.close()

    seconds = dict.fromkeys(("ours", "threads", "processes"), np.inf)
    for turn in range(3):
        for way in seconds:
            folder = tmp_path / f"{way}{turn}"
            seconds[way] = min(seconds[way], 1 / rate(1, partial(fill, way, folder)))
    print("\n50,000 JPEG, seconds: " + ", ".join(f"{way} {value:.2f}" for way, value in seconds.items()))
    assert seconds["ours"] <= min(seconds.values())
