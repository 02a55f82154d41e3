"""How fast data is: needs SIMO2_CIFAR10, the folder of 50,000 JPEG files. pytest tests/benchmarks/test_data.py -s."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simo2_core.data.decode import backend
from simo2_core.data.load import load_dataset
from simo2_core.data_config import DataConfig

CIFAR10 = os.environ.get("SIMO2_CIFAR10", "")
needs_cifar10 = pytest.mark.skipif(not CIFAR10, reason="SIMO2_CIFAR10 is not set")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMO2_CACHE", str(tmp_path))


def timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


@needs_cifar10
def test_fifty_thousand_jpeg_files_into_the_cache() -> None:
    config = DataConfig(dataset=f"{CIFAR10}/train")
    cold = timed(lambda: load_dataset(config, workers=2))
    warm = min(timed(lambda: load_dataset(config)) for _ in range(5))
    print(f"\n50,000 JPEG, {backend()}, 2 workers: cache {cold:.2f} s, second start {warm:.3f} s")
    assert cold <= 6
    assert warm <= 0.2  # of 50,000 files each is asked for its size and time: 0.11 s of system calls and listing


@needs_cifar10
def test_opening_an_entry_is_mapping_it() -> None:
    from simo2_core.data.cache import open_entry
    from simo2_core.data.upkeep import list_entries

    load_dataset(DataConfig(dataset=f"{CIFAR10}/train"), workers=2)
    (path,) = list_entries()
    seconds = min(timed(lambda: open_entry(path)) for _ in range(5))
    print(f"\nmapping 154 MB: {seconds * 1000:.2f} ms")
    assert seconds <= 0.1


@needs_cifar10
def test_the_host_keeps_a_ten_millisecond_step_fed() -> None:
    """Fetching beside a step of 10 ms that needs the processor as little as one on a GPU does."""
    import jax

    from simo2_core.data.stream import Chunks

    part = load_dataset(DataConfig(dataset=f"{CIFAR10}/train"), workers=2).train
    chunks = Chunks(part, jax.random.key(0), classes_per_batch=10, samples_per_class=32)
    chunks.get(0)
    count, waited, start = 20, 0.0, time.perf_counter()
    for index in range(1, count + 1):
        waited += timed(partial(chunks.get, index))
        time.sleep(0.010 * chunks.steps)
    seconds = time.perf_counter() - start
    chunks.close()
    print(f"\n{count} chunks of {chunks.steps} steps, batch {chunks.batch}: waited {waited / seconds:.2%} of the time")
    assert waited / seconds <= 0.05


@needs_cifar10
def test_images_mapped_on_the_host_train_as_fast_as_images_on_the_device() -> None:
    """A step of about 10 ms of the training call, both ways in turn. Fetching shares the processor with it here."""
    import jax

    from simo2_core.presets import PRESETS
    from simo2_core.train.feed import Feed
    from simo2_core.train.step import compile_call, make_training

    preset = PRESETS["cifar10"].config
    data = DataConfig(dataset=f"{CIFAR10}/train")
    config = dataclasses.replace(preset, data=data, samples_per_class=4, batch_size=40)
    config = config.replace({"stem_width": 4, "widths": (8, 16, 32)})
    dataset = load_dataset(config.data, workers=2)
    step, state = make_training(config, 10, dataset.image_shape)
    feeds = {where: Feed(dataset, config, state, where) for where in ("device", "host")}
    turn = feeds["host"].chunk
    assert turn
    states = {where: jax.tree.map(jax.numpy.copy, state) for where in feeds}
    calls = {
        where: compile_call(dataclasses.replace(step, chunk=feed.chunk), state, feed.data(0))
        for where, feed in feeds.items()
    }

    def train(where: str, first: int) -> None:
        for at in range(first, first + 4 * turn, turn):
            states[where], *_ = calls[where](states[where], feeds[where].data(at), turn)
            jax.block_until_ready(states[where])

    ratios, milliseconds = [], 0.0
    for round_ in range(8):
        first = round_ * 4 * turn
        order = ("device", "host") if round_ % 2 else ("host", "device")
        seconds = {where: timed(partial(train, where, first)) for where in order}
        if round_:  # the first compiles
            ratios.append(seconds["device"] / seconds["host"])
            milliseconds = 1e3 * seconds["device"] / (4 * turn)
    for feed in feeds.values():
        feed.close()
    assert all(map(np.array_equal, states["device"].params.values(), states["host"].params.values()))
    low, middle, high = np.quantile(ratios, (0, 0.5, 1))
    print(f"\nsteps/s mapped over on the device, {milliseconds:.1f} ms a step: {middle:.3f} ({low:.3f} to {high:.3f})")
    assert middle >= 0.95


def test_streaming_photographs_at_224(tmp_path: Path) -> None:
    from simo2_core.data.build import labelled_order
    from simo2_core.data.headers import settle_rule
    from simo2_core.data.on_demand import OnDemandImages
    from simo2_core.data.sources.folder import FolderSource

    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for index in range(100):
            coarse = rng.integers(0, 256, (47, 63, 3), dtype=np.uint8)
            photo = Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC)
            photo.save(tmp_path / "set" / name / f"{index}.jpg", quality=90)
    split = FolderSource(tmp_path / "set").split("train")
    config = DataConfig(dataset=str(tmp_path / "set"), image_size=224)
    images = OnDemandImages(split, labelled_order(split, config, ""), settle_rule(split, config, "")[0], workers=2)
    rows = rng.integers(0, 200, 100)
    images[rows]
    seconds = min(timed(lambda: images[rows]) for _ in range(8))
    images.close()
    size = sum(path.stat().st_size for path in (tmp_path / "set").rglob("*.jpg")) / 200
    print(f"\n500x375 JPEG of {size / 1000:.0f} kB to 224, {backend()}, 2 workers: {100 / seconds:,.0f} images/s")
    if backend() != "pillow":
        assert 100 / seconds >= 1200


def test_importing_the_core_is_free() -> None:
    seconds = timed(lambda: subprocess.run([sys.executable, "-c", "import simo2_core"], check=True))
    print(f"\nimport simo2_core: {seconds:.3f} s, the interpreter included")
    assert seconds < 0.5
