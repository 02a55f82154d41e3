from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from simo2_core.checkpoints.checkpoint import read_score
from simo2_core.errors import CheckpointError
from simo2_core.events import CheckpointSaved, Event, WarningRaised
from simo2_core.presets import PRESETS
from simo2_core.run.directory import RunDirectory
from simo2_core.train.machine_alarms import Watch
from simo2_core.train.saving import Keeper


def arrays() -> dict[str, np.ndarray]:
    return {"params/w": np.arange(3, dtype=np.float32)}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path, "one", PRESETS["digits"].config)


@pytest.fixture
def keeper(run: RunDirectory) -> Iterator[Keeper]:
    keeper = Keeper(run, 3, Watch(run.path))
    keeper.go_on_from(None, 0)
    yield keeper
    keeper.close()


def told(events: Iterable[Event]) -> list[tuple[int, str]]:
    """Steps, with the path of a checkpoint or the code of a warning."""
    return [
        (event.step, event.path if isinstance(event, CheckpointSaved) else event.code)
        for event in events
        if isinstance(event, CheckpointSaved | WarningRaised)
    ]


def test_a_state_is_saved_once_and_said_when_it_is_whole(keeper: Keeper) -> None:
    assert not keeper.has(4)
    assert told(keeper.save(4, 0.5, arrays, {"score": 0.5})) == []
    assert keeper.has(4)
    assert told(keeper.settle(5)) == [(4, "checkpoints/4")]
    assert told(keeper.save_last(4, arrays, {})) == [], "it is there"
    assert told(keeper.save_last(6, arrays, {"score": None})) == [(6, "checkpoints/6")]


def test_a_state_saved_without_a_score_gets_it_later(run: RunDirectory, keeper: Keeper) -> None:
    list(keeper.save_last(4, arrays, {"score": None}))
    keeper.go_on_from(run.checkpoints / "4", 4)
    assert (keeper.unscored, keeper.has(4)) == (4, False)
    assert told(keeper.save(4, 0.5, arrays, {})) == []
    assert (keeper.unscored, keeper.has(4)) == (-1, True)
    assert read_score(run.checkpoints / "4") == 0.5
    keeper.go_on_from(run.checkpoints / "4", 4)
    assert keeper.has(4)


def test_a_save_that_fails_is_an_alarm_and_at_the_end_an_error(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("simo2_core.checkpoints.checkpoint.write_manifest", refuse)
    list(keeper.save(4, 0.5, arrays, {}))
    assert told(keeper.settle(5)) == [(5, "disk")]
    assert not keeper.has(4), "it will be tried again"
    with pytest.raises(CheckpointError, match="no room left"):
        list(keeper.save_last(4, arrays, {}))
    monkeypatch.undo()
    assert told(keeper.save_last(4, arrays, {})) == [(4, "checkpoints/4")]
