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
from simo2_core.train.saving import Saver


def arrays() -> dict[str, np.ndarray]:
    return {"params/w": np.arange(3, dtype=np.float32)}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path, "one", PRESETS["digits"].config)


@pytest.fixture
def saver(run: RunDirectory) -> Iterator[Saver]:
    saver = Saver(run, 3, Watch(run.path))
    saver.go_on_from(None, 0)
    yield saver
    saver.close()


def told(events: Iterable[Event]) -> list[tuple[int, str]]:
    """Steps, with the path of a checkpoint or the code of a warning."""
    return [
        (event.step, event.path if isinstance(event, CheckpointSaved) else event.code)
        for event in events
        if isinstance(event, CheckpointSaved | WarningRaised)
    ]


def test_a_state_is_saved_once_and_said_when_it_is_whole(saver: Saver) -> None:
    assert not saver.has(4)
    assert told(saver.save(4, 0.5, arrays, {"score": 0.5})) == []
    assert saver.has(4)
    assert told(saver.settle(5)) == [(4, "checkpoints/4")]
    assert told(saver.save_last(4, arrays, {})) == [], "it is there"
    assert told(saver.save_last(6, arrays, {"score": None})) == [(6, "checkpoints/6")]


def test_a_state_saved_without_a_score_gets_it_later(run: RunDirectory, saver: Saver) -> None:
    list(saver.save_last(4, arrays, {"score": None}))
    saver.go_on_from(run.checkpoints / "4", 4)
    assert (saver.unscored, saver.has(4)) == (4, False)
    assert told(saver.save(4, 0.5, arrays, {})) == []
    assert (saver.unscored, saver.has(4)) == (-1, True)
    assert read_score(run.checkpoints / "4") == 0.5
    saver.go_on_from(run.checkpoints / "4", 4)
    assert saver.has(4)


def test_a_save_that_fails_is_an_alarm_and_at_the_end_an_error(saver: Saver, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("simo2_core.checkpoints.checkpoint.write_manifest", refuse)
    list(saver.save(4, 0.5, arrays, {}))
    assert told(saver.settle(5)) == [(5, "disk")]
    assert not saver.has(4), "it will be tried again"
    with pytest.raises(CheckpointError, match="no room left"):
        list(saver.save_last(4, arrays, {}))
    monkeypatch.undo()
    assert told(saver.save_last(4, arrays, {})) == [(4, "checkpoints/4")]


META = {"config": PRESETS["digits"].config.to_json(), "fingerprint": "abc"}


def messages(events: Iterable[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, WarningRaised)]


def test_a_folder_that_is_renamed_is_an_alarm_and_saved_into_when_it_is_back(run: RunDirectory, saver: Saver) -> None:
    other = run.path.with_name("other")
    run.path.rename(other)
    assert messages(saver.poll(3)) == [f"{run.path} is gone: it is {other} now."]
    assert messages(saver.poll(4)) == [], "once"
    assert told(saver.save(4, 0.5, arrays, META)) == []
    assert not saver.has(4)
    assert not run.path.exists(), "nothing is made in its place"
    assert not saver.in_place
    other.rename(run.path)
    assert messages(saver.poll(5)) == [f"{run.path} is back."]
    assert told(saver.save_last(5, arrays, META)) == [(5, "checkpoints/5")]


def test_a_folder_that_stays_renamed_gets_the_state_and_is_named(run: RunDirectory, saver: Saver) -> None:
    other = run.path.with_name("other")
    run.path.rename(other)
    (run.checkpoints).mkdir(parents=True)  # as a save under way makes it
    with pytest.raises(CheckpointError) as caught:
        list(saver.save_last(4, arrays, META))
    assert str(caught.value) == (
        f"{run.path} was renamed or removed while it trained: step 4 is saved in {other}/checkpoints/4. "
        f"Go on with: simo2 resume {other}"
    )
    assert list_steps(other / "checkpoints") == [4]
    assert not run.path.exists()


def test_a_state_whose_folder_was_removed_gets_a_new_one(run: RunDirectory, saver: Saver) -> None:
    shutil.rmtree(run.path)
    assert messages(saver.poll(3)) == [f"{run.path} was removed."]
    with pytest.raises(CheckpointError, match=rf"step 4 is saved in {run.path}/checkpoints/4\. Go on with"):
        list(saver.save_last(4, arrays, META))
    assert RunDirectory.open(run.path).config == PRESETS["digits"].config
    assert list_steps(run.checkpoints) == [4]


def test_a_state_is_saved_in_another_place_where_something_else_has_the_name(run: RunDirectory, saver: Saver) -> None:
    shutil.rmtree(run.path)
    run.path.write_text("something else")
    with pytest.raises(CheckpointError, match=rf"while it trained: step 4 is saved in {run.path}-saved/checkpoints"):
        list(saver.save_last(4, arrays, META))
    assert run.path.read_text() == "something else"


def test_a_copy_that_is_put_back_counts(run: RunDirectory) -> None:
    with run.own():
        saver = Saver(run, 3, Watch(run.path))
        saver.go_on_from(None, 0)
        other = run.path.with_name("other")
        shutil.copytree(run.path, other)  # as `mv` to another disk does, and back
        shutil.rmtree(run.path)
        assert messages(saver.poll(3)) == [f"{run.path} was removed."]
        other.rename(run.path)
        assert messages(saver.poll(4)) == [f"{run.path} is back."]
        assert told(saver.save_last(4, arrays, META)) == [(4, "checkpoints/4")]
        saver.close()


def test_checkpoints_that_were_deleted_are_saved_anew(run: RunDirectory, saver: Saver) -> None:
    assert told(saver.save_last(4, arrays, META)) == [(4, "checkpoints/4")]
    shutil.rmtree(run.checkpoints)
    assert told(saver.save(5, 0.5, arrays, META)) == []
    assert told(saver.settle(5)) == [(5, "checkpoints/5")]
    assert list_steps(run.checkpoints) == [5]
