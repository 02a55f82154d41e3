"""Batches from the host are the batches from the device, whatever happens in between."""

import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simo2_core.compiling import jit
from simo2_core.config import SAMPLINGS
from simo2_core.data.build import labelled_order
from simo2_core.data.dataset import DataPart
from simo2_core.data.decode import Rule
from simo2_core.data.headers import settle_rule
from simo2_core.data.load import load_dataset
from simo2_core.data.on_demand import OnDemandImages
from simo2_core.data.pool import Crew, even_chunks
from simo2_core.data.sampler import draw_batch
from simo2_core.data.sources.folder import FolderSource
from simo2_core.data.stream import CHUNK_BYTES, MAX_CHUNK, Chunks, chunk_steps
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError
from tests.simo2_core.data.doomed import Doomed
from tests.simo2_core.data.pictures import MakeFolder, config

KEY = jax.random.key(7)
DRAWN: dict[str, Any] = {"classes_per_batch": 4, "samples_per_class": 6}


@pytest.fixture(scope="module")
def part() -> DataPart:
    """The training digits."""
    return load_dataset(DataConfig()).train


@pytest.fixture
def chunks(part: DataPart) -> Iterator[Chunks]:
    """Chunks of 5 steps."""
    made = Chunks(part, KEY, steps=5, **DRAWN)
    yield made
    made.close()


@partial(jit, static_argnums=3)
def _draw(step: int, offsets: jax.Array, counts: jax.Array, sampling: str) -> jax.Array:
    return draw_batch(KEY, step, offsets, counts, sampling=sampling, **DRAWN).rows


def on_device(part: DataPart, step: int, sampling: str) -> np.ndarray:
    """The batch of `step` as the training step draws it from images on the device."""
    offsets, counts = (jax.numpy.asarray(array, np.int32) for array in (part.offsets, part.counts))
    return np.asarray(jax.numpy.asarray(part.images)[_draw(step, offsets, counts, sampling)])


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_host_draws_what_the_device_draws(part: DataPart, sampling: str) -> None:
    chunks = Chunks(part, KEY, steps=5, sampling=sampling, **DRAWN)
    for chunk in (0, 1, 7):
        images = np.asarray(chunks.get(chunk)).reshape(5, chunks.batch, *part.images.shape[1:])
        for index in range(5):
            np.testing.assert_array_equal(images[index], on_device(part, 5 * chunk + index, sampling))
    chunks.close()


def test_the_length_of_a_chunk_changes_nothing(part: DataPart, chunks: Chunks) -> None:
    other = Chunks(part, KEY, steps=3, **DRAWN)
    first = np.concatenate([chunks.read(index) for index in range(3)])
    np.testing.assert_array_equal(first, np.concatenate([other.read(index) for index in range(5)]))
    other.close()


def test_every_batch_has_k_of_each_drawn_class(part: DataPart, chunks: Chunks) -> None:
    label_of = {image.tobytes(): label for image, label in zip(part.gather(), part.labels.tolist(), strict=True)}
    batches = chunks.read(3).reshape(5, 4, 6, *part.images.shape[1:])
    for batch in batches:
        drawn = [{label_of[image.tobytes()] for image in group} for group in batch]
        assert all(len(group) == 1 for group in drawn)
        assert len(set.union(*drawn)) == 4


def test_the_next_chunk_is_fetched_while_this_one_is_used(part: DataPart) -> None:
    class Watched(np.ndarray):
        reads = 0
        thread = ""

        def __getitem__(self, rows: Any) -> np.ndarray:
            Watched.reads += 1
            Watched.thread = threading.current_thread().name
            return np.asarray(self)[rows]

    chunks = Chunks(DataPart(part.images.view(Watched), part.offsets, part.counts), KEY, steps=5, **DRAWN)
    first = chunks.get(0)
    deadline = time.monotonic() + 10
    while Watched.reads < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert Watched.reads == 2
    assert Watched.thread.startswith("simo2-fetch")
    chunks.get(1)
    np.testing.assert_array_equal(first, chunks.read(0))  # what is in use is never overwritten
    chunks.close()


def test_what_goes_wrong_behind_is_raised_in_front(part: DataPart) -> None:
    class Broken(np.ndarray):
        def __getitem__(self, rows: Any) -> np.ndarray:
            raise OSError("the disk has gone")

    chunks = Chunks(DataPart(part.images.view(Broken), part.offsets, part.counts), KEY, steps=5, **DRAWN)
    with pytest.raises(OSError, match="the disk has gone"):
        chunks.get(0)
    chunks.close()


def test_a_chunk_is_small_enough_and_at_least_a_step() -> None:
    assert chunk_steps(10 * CHUNK_BYTES) == 1
    assert chunk_steps(CHUNK_BYTES // 4) == 4
    assert chunk_steps(1) == MAX_CHUNK


def on_demand(root: Path, **changes: object) -> OnDemandImages:
    split = FolderSource(root).split("train")
    settings = config(root, **changes)
    return OnDemandImages(split, labelled_order(split, settings, ""), settle_rule(split, settings, "")[0], workers=1)


def test_images_on_demand_index_like_an_array(make_folder: MakeFolder) -> None:
    root = make_folder(count=6)
    array = np.asarray(load_dataset(config(root)).train.images)
    images = on_demand(root)
    assert images.shape == array.shape
    assert images.nbytes == array.nbytes
    rows = np.array([11, 0, 3, 3, 7])
    np.testing.assert_array_equal(images[rows], array[rows])
    np.testing.assert_array_equal(images[2:5], array[2:5])
    np.testing.assert_array_equal(images[4], array[4])
    images.close()


def test_more_rows_than_the_data_set_has_can_be_asked_for(make_folder: MakeFolder) -> None:
    images = on_demand(make_folder(count=6))
    rows = np.arange(30) % len(images)
    np.testing.assert_array_equal(images[rows], images[:][rows])
    images.close()


def test_a_worker_that_dies_is_replaced_and_its_task_done_again(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_bytes(b"x")
    with Crew(Doomed(trap), 2) as crew:
        assert sorted(crew.map([1, 2, 3])) == [1, 2, 3]


def test_a_task_that_ends_every_worker_is_an_error(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_bytes(b"xx")
    with Crew(Doomed(trap), 1) as crew, pytest.raises(DataError, match=r"a decoding process died \(exit code 7"):
        list(crew.map([1]))


@given(count=st.integers(0, 500), size=st.integers(1, 40), workers=st.integers(1, 9))
def test_even_chunks_cover_all_and_share_alike(count: int, size: int, workers: int) -> None:
    cut = list(even_chunks(count, size, workers))
    assert [row for begin, end in cut for row in range(begin, end)] == list(range(count))
    lengths = [end - begin for begin, end in cut]
    assert max(lengths, default=0) <= size
    assert max(lengths, default=1) - min(lengths, default=1) <= 1
    assert len(cut) % workers == 0 or len(cut) == count


def test_an_unreadable_image_is_replaced_by_one_of_its_class(make_folder: MakeFolder) -> None:
    root = make_folder(count=6)
    sound = np.asarray(load_dataset(config(root)).train.images)
    for name in ("0", "1", "2"):
        (root / "dog" / f"{name}.png").write_bytes(b"no")
    images = on_demand(root)
    every = images[:]
    np.testing.assert_array_equal(every[:6], sound[:6])
    dogs = {image.tobytes() for image in sound[6:]}
    assert {image.tobytes() for image in every[6:]} < dogs
    assert len(images.unreadable) == 3
    images.close()


def test_a_small_shared_memory_is_a_small_buffer(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    split = FolderSource(make_folder(count=6)).split("train")
    order, rule = np.arange(12), Rule(height=16, width=16, channels=3)
    free = {"/dev/shm": 3000}
    monkeypatch.setattr("simo2_core.data.on_demand.disk_free", lambda path: free.get(str(path), 0))
    small = OnDemandImages(split, order, rule, workers=1)
    assert small._room == 1
    assert small[np.arange(12)].std() > 0
    small.close()
    free["/dev/shm"] = 100
    with pytest.raises(DataError, match=r"no room to decode one image of 16 x 16 pixels \(768 bytes\).*TMPDIR"):
        OnDemandImages(split, order, rule, workers=1)
