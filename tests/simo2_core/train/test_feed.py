"""A run is the same wherever its images live."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simo2_core.config import Config
from simo2_core.data import stream, upkeep
from simo2_core.data.placement import Machine, Placement
from simo2_core.data.stream import Chunks
from simo2_core.errors import DataError
from simo2_core.events import RunFinished, StepsLogged, WarningRaised
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import record
from simo2_core.train import feed, preparation
from simo2_core.train.trainer import train
from tests.simo2_core.data.pictures import encoded, picture
from tests.tiny import DIGITS, QUIET

TINY = DIGITS.replace(QUIET | {"steps": 12, "learning_rate": 1e-2})


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMO2_CACHE", str(tmp_path / "cache"))


def make_device_small(patch: pytest.MonkeyPatch) -> None:
    """Images are not placed on the device, and come in chunks of 5 steps."""
    patch.setattr(preparation, "choose_placement", lambda *_: Placement("host", "mapped from disk"))
    whole: Any = Chunks

    def five(*args: object, **options: object) -> Any:
        return whole(*args, steps=5, **options)

    patch.setattr(feed, "Chunks", five)


@pytest.fixture
def small_device(monkeypatch: pytest.MonkeyPatch) -> None:
    make_device_small(monkeypatch)


def totals(tmp_path: Path, name: str, config: Config, stop_at: int = 0) -> list[float]:
    """The loss of every step of a run, stopped and resumed after about `stop_at` steps."""
    run = RunDirectory.create(tmp_path, name, config)
    seen: list[float] = []
    for _ in range(2 if stop_at else 1):
        control = Control(run.control)
        for event in record(train(config, run, control, pictures=False), run):
            if isinstance(event, StepsLogged):
                assert 0 <= event.data_wait <= 1
                seen += event.total
                if stop_at and event.last_step >= stop_at:
                    control.send("stop", "test")
                    stop_at = 0
    return seen


@pytest.fixture(scope="module")
def on_device(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The losses with all images on the device."""
    return totals(tmp_path_factory.mktemp("device"), "device", TINY)


@pytest.fixture(scope="module")
def on_host(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The losses with all images on the host."""
    with pytest.MonkeyPatch.context() as patch:
        make_device_small(patch)
        return totals(tmp_path_factory.mktemp("host"), "host", TINY)


def test_images_mapped_from_the_host_train_the_same(on_host: list[float], on_device: list[float]) -> None:
    np.testing.assert_allclose(on_host, on_device, rtol=1e-4)


@pytest.mark.usefixtures("small_device")
def test_images_that_no_longer_come_do_not_cost_the_run(
    tmp_path: Path, on_device: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory.create(tmp_path, "lost", TINY)
    chunks: list[int] = []
    rows_of, read = stream.Chunks._fetch, stream.Chunks._read

    def fetch(self: stream.Chunks, chunk: int) -> object:
        chunks.append(chunk)
        return rows_of(self, chunk)

    def lost(self: stream.Chunks, rows: np.ndarray) -> np.ndarray:
        if chunks[-1] == 2:
            raise DataError("a decoding process died.")
        return read(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(stream.Chunks, "_fetch", fetch)
        patch.setattr(stream.Chunks, "_read", lost)
        with pytest.raises(DataError, match=r"died\. Step 10 is kept: simo2 resume .*lost"):
            list(record(train(TINY, run, Control(run.control), pictures=False), run))
    (end,) = (event for event in run.events() if isinstance(event, RunFinished))
    assert (end.reason, end.checkpoint) == ("failed", "checkpoints/10")
    rest = [
        event.total
        for event in record(train(TINY, run, Control(run.control), pictures=False), run)
        if isinstance(event, StepsLogged)
    ]
    np.testing.assert_allclose(np.concatenate(rest), on_device[10:], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("small_device")
def test_stopping_inside_a_chunk_and_resuming_changes_nothing(tmp_path: Path, on_host: list[float]) -> None:
    assert totals(tmp_path, "parts", TINY, stop_at=3) == on_host


@pytest.mark.slow
def test_a_folder_that_fits_nowhere_is_streamed_and_trains_the_same(
    tmp_path: Path, make_pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TINY.replace({"dataset": str(make_pets), "image_size": 8, "channels": 3, "samples_per_class": 3})
    cached = totals(tmp_path, "cached", config)
    upkeep.clear()
    monkeypatch.setattr(upkeep, "disk_free", lambda _: 100)
    machine = Machine(device="tiny", device_free=10**12, disk_free=100)
    monkeypatch.setattr(preparation, "look_at_machine", lambda _: machine)
    run = RunDirectory.create(tmp_path, "streamed", config)
    events = list(record(train(config, run, Control(run.control), pictures=False), run))
    streamed = [total for event in events if isinstance(event, StepsLogged) for total in event.total]
    np.testing.assert_allclose(streamed, cached, rtol=1e-4)
    assert "disk" in {event.code for event in events if isinstance(event, WarningRaised)}


@pytest.fixture
def make_pets(tmp_path: Path) -> Path:
    """Two classes of ten pictures."""
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(10):
            (tmp_path / "pets" / name / f"{index}.png").write_bytes(encoded(picture(100 * number + index)))
    return tmp_path / "pets"
