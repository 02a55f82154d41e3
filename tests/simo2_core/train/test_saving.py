import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from simo2_core.checkpoints.checkpoint import list_steps, read_score
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


META = {"config": PRESETS["digits"].config.to_json(), "fingerprint": "abc"}


def messages(events: Iterable[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, WarningRaised)]


def test_a_folder_that_is_renamed_is_an_alarm_and_saved_into_when_it_is_back(run: RunDirectory, keeper: Keeper) -> None:
    other = run.path.with_name("other")
    run.path.rename(other)
    assert messages(keeper.poll(3)) == [f"{run.path} is gone: it is {other} now."]
    assert messages(keeper.poll(4)) == [], "once"
    assert told(keeper.save(4, 0.5, arrays, META)) == []
    assert not keeper.has(4)
    assert not run.path.exists(), "nothing is made in its place"
    assert not keeper.in_place
    other.rename(run.path)
    assert messages(keeper.poll(5)) == [f"{run.path} is back."]
    assert told(keeper.save_last(5, arrays, META)) == [(5, "checkpoints/5")]


def test_a_folder_that_stays_renamed_gets_the_state_and_is_named(run: RunDirectory, keeper: Keeper) -> None:
    other = run.path.with_name("other")
    run.path.rename(other)
    (run.checkpoints).mkdir(parents=True)  # as a save under way makes it
    with pytest.raises(CheckpointError) as caught:
        list(keeper.save_last(4, arrays, META))
    assert str(caught.value) == (
        f"{run.path} is gone: step 4 is saved in {other}/checkpoints/4. Go on with: simo2 resume {other}"
    )
    assert list_steps(other / "checkpoints") == [4]
    assert not run.path.exists()


def test_a_state_whose_folder_was_removed_gets_a_new_one(run: RunDirectory, keeper: Keeper) -> None:
    shutil.rmtree(run.path)
    assert messages(keeper.poll(3)) == [f"{run.path} was removed."]
    with pytest.raises(CheckpointError, match=rf"step 4 is saved in {run.path}/checkpoints/4\. Go on with"):
        list(keeper.save_last(4, arrays, META))
    assert RunDirectory.open(run.path).config == PRESETS["digits"].config
    assert list_steps(run.checkpoints) == [4]


def test_a_state_is_saved_in_another_place_where_something_else_has_the_name(run: RunDirectory, keeper: Keeper) -> None:
    shutil.rmtree(run.path)
    run.path.write_text("something else")
    with pytest.raises(CheckpointError, match=rf"{run.path} is gone: step 4 is saved in {run.path}-saved/checkpoints"):
        list(keeper.save_last(4, arrays, META))
    assert run.path.read_text() == "something else"


def test_a_copy_that_is_put_back_counts(run: RunDirectory) -> None:
    with run.own():
        keeper = Keeper(run, 3, Watch(run.path))
        keeper.go_on_from(None, 0)
        other = run.path.with_name("other")
        shutil.copytree(run.path, other)  # as `mv` to another disk does, and back
        shutil.rmtree(run.path)
        assert messages(keeper.poll(3)) == [f"{run.path} was removed."]
        other.rename(run.path)
        assert messages(keeper.poll(4)) == [f"{run.path} is back."]
        assert told(keeper.save_last(4, arrays, META)) == [(4, "checkpoints/4")]
        keeper.close()
