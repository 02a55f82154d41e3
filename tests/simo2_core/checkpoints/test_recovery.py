import json
import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from simo2_core.checkpoints.checkpoint import Checkpoints, find_checkpoint, list_steps, load, read_score
from simo2_core.checkpoints.manifest import verify, write_manifest
from simo2_core.checkpoints.recovery import (
    Recovery,
    back_from,
    newest_sound,
    require_ahead,
    set_aside,
    set_diverged_aside,
    settings_of,
)
from simo2_core.commands import Reason
from simo2_core.config import FORMAT
from simo2_core.errors import CheckpointError, ConfigError, NewerFormatError, RunError
from simo2_core.events import CheckpointSaved, Evaluated, Event, RunFinished, RunStarted, StepsLogged, WarningRaised
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import record
from simo2_core.train.trainer import train
from tests.tiny import DIGITS, QUIET

ARRAYS = {"params/a": jnp.arange(6.0), "step": jnp.int32(7)}

TINY = DIGITS.replace(QUIET | {"steps": 16, "learning_rate": 1e-2, "checkpoint_every": "4"})


def _save(folder: Path, *steps: int, keep: int = 9) -> None:
    folder.mkdir(exist_ok=True)
    checkpoints = Checkpoints(folder, keep=keep)
    for step in steps:
        checkpoints.save(step, ARRAYS, {"config": TINY.to_json()})
    checkpoints.wait()
    checkpoints.close()


def _damage(checkpoint: Path) -> None:
    path = max((path for path in (checkpoint / "state").rglob("*") if path.is_file()), key=lambda path: path.name)
    path.write_bytes(path.read_bytes()[:-1])


def test_the_newest_sound_one_is_found_and_the_others_named(tmp_path: Path) -> None:
    _save(tmp_path, 1, 2, 3)
    _damage(tmp_path / "3")
    (tmp_path / "2" / "manifest.json").unlink()
    found = newest_sound(tmp_path)
    assert found.checkpoint == tmp_path / "1"
    assert [path.name for path, _ in found.damaged] == ["3", "2"]
    assert "bytes, it was saved with" in found.damaged[0][1]
    assert "not saved to its end" in found.damaged[1][1]


def test_no_run_goes_on_to_a_step_before_the_one_it_is_at(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "one", TINY)
    require_ahead(TINY, run)  # nothing is taken yet
    _save(run.checkpoints, 4, 12)
    require_ahead(TINY.replace({"steps": 12}), run)
    with pytest.raises(ConfigError, match=r"steps is 5, and .*one is at step 12 already. Give --steps above 12"):
        require_ahead(TINY.replace({"steps": 5}), run)
    _damage(run.checkpoints / "12")
    require_ahead(TINY.replace({"steps": 5}), run)  # it goes on from step 4


def test_damaged_ones_are_set_aside_and_their_steps_can_be_saved_again(tmp_path: Path) -> None:
    for _ in range(2):
        if not list_steps(tmp_path):
            _save(tmp_path, 1)
        _save(tmp_path, 2)
        _damage(tmp_path / "2")
        set_aside(newest_sound(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2.damaged", "2.damaged-2"]
    assert newest_sound(tmp_path) == Recovery(tmp_path / "1")


def test_a_run_that_goes_back_past_damage_saves_the_same_step_again(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.save(step, ARRAYS, {"config": TINY.to_json()})
    checkpoints.wait()
    _damage(tmp_path / "2")
    set_aside(newest_sound(tmp_path))
    checkpoints.reload()
    checkpoints.save(2, ARRAYS, {"config": TINY.to_json()})
    assert [saved.step for saved in checkpoints.wait()] == [2]
    checkpoints.close()


def test_a_state_that_diverges_is_gone_back_from_and_no_other(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "one", TINY)
    _save(run.checkpoints, 1, 2, 3)
    assert back_from(run.checkpoints, 7) == Recovery(run.checkpoints / "3")
    assert back_from(run.checkpoints, 3) == Recovery(run.checkpoints / "2")
    end = RunFinished(step=2, reason=Reason.DIVERGED, message="", checkpoint=None, seconds={})
    run.events_path.write_text(end.to_line() + "\n")
    for _ in range(2):  # a start that was killed just after it had done so does it again
        set_diverged_aside(run)
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["1", "2.diverged", "3.diverged"]
    assert back_from(run.checkpoints, 1) == Recovery(None)


def test_no_sound_checkpoint_is_refused_not_begun_anew(tmp_path: Path) -> None:
    assert newest_sound(tmp_path) == Recovery(None)
    _save(tmp_path, 1, 2)
    _damage(tmp_path / "1")
    _damage(tmp_path / "2")
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be used"):
        newest_sound(tmp_path)


def test_a_newer_format_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    _save(tmp_path, 1, 2)
    path = tmp_path / "2" / "meta" / "metadata"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 7}))
    write_manifest(tmp_path / "2")
    with pytest.raises(NewerFormatError, match=r"has format 7 .* up to 1"):
        newest_sound(tmp_path)
    run = RunDirectory.create(tmp_path, "one", TINY)
    data = json.loads(run.config_path.read_text())
    run.config_path.write_text(json.dumps({"config": {**data["config"], "format": 7}}))
    with pytest.raises(NewerFormatError, match=rf"has format 7 .* up to {FORMAT}"):
        settings_of(run)


def test_what_a_killed_save_left_is_removed(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    (tmp_path / "2.orbax-checkpoint-tmp").mkdir()
    (tmp_path / "2.orbax-checkpoint-tmp" / "part").write_text("half")
    _save(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


def test_old_ones_are_deleted_only_after_a_newer_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _save(tmp_path, 1, 2)

    def refuse(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("simo2_core.checkpoints.checkpoint.write_manifest", refuse)
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(3, ARRAYS, {})
    with pytest.raises(CheckpointError, match=r"step 3, 28 bytes, could not be written: no room left"):
        checkpoints.wait()
    assert newest_sound(tmp_path).checkpoint == tmp_path / "2"
    assert list_steps(tmp_path) == [1, 2]
    hurried = Checkpoints(tmp_path, keep=1)
    hurried.save(3, ARRAYS, {})
    hurried.close()  # nobody waited for it: what ends the run is told, not this
    monkeypatch.undo()
    checkpoints.save(4, ARRAYS, {})
    assert [saved.step for saved in checkpoints.wait()] == [4]
    checkpoints.close()
    assert list_steps(tmp_path) == [4]


@pytest.mark.parametrize("text", ["", "{", '{"config": {"format": 1, "steps": 0}}'])
def test_damaged_settings_come_from_the_newest_checkpoint(tmp_path: Path, text: str) -> None:
    run = RunDirectory.create(tmp_path, "one", TINY)
    assert settings_of(run) == (TINY, None)
    run.config_path.write_text(text)
    with pytest.raises(RunError, match=r"config\.json"):
        settings_of(run)
    _save(run.checkpoints, 3)
    config, problem = settings_of(run)
    assert config == TINY
    assert problem is not None
    assert "config.json" in problem


def _train_until_12(run: RunDirectory) -> list[Event]:
    control, events = Control(), []
    for event in record(train(TINY, run, control, pictures=False), run):
        events.append(event)
        if isinstance(event, StepsLogged) and event.last_step == 12:
            control.send("stop", "test")
    return events


@pytest.mark.slow
def test_a_run_with_a_damaged_checkpoint_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    whole = RunDirectory.create(tmp_path, "whole", TINY)
    _train_until_12(whole)
    hurt = RunDirectory(Path(shutil.copytree(whole.path, tmp_path / "hurt")))
    _damage(hurt.checkpoints / "12")
    (hurt.checkpoints / "8" / "meta" / "metadata").write_bytes(b"\x00")
    lines = hurt.events_path.read_bytes().split(b"\n")
    hurt.events_path.write_bytes(b"\n".join([lines[0], b"\xff" + lines[1][1:], *lines[2:]]))
    events = _train_until_12(hurt)
    warnings = {event.code: event for event in events if isinstance(event, WarningRaised)}
    assert {"checkpoint-damaged", "log-damaged"} <= set(warnings)
    assert "12" in next(e.message for e in events if isinstance(e, WarningRaised) and e.code == "checkpoint-damaged")
    starts = [event.step for event in hurt.events() if isinstance(event, RunStarted)]
    assert starts == [0, 4]
    steps = [event for event in hurt.events() if isinstance(event, StepsLogged)]
    assert [event.step + i for event in steps for i in range(len(event.total))] == list(range(1, 13))
    assert [event.step for event in events if isinstance(event, CheckpointSaved)] == [8, 12]
    mine, theirs = (load(find_checkpoint(run.checkpoints))[0] for run in (hurt, whole))
    for name in theirs:
        np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)

    assert read_score(whole.checkpoints / "12") is None, "the stop came where the state would have been evaluated"
    told = [
        event for event in train(TINY, whole, Control(), pictures=False) if isinstance(event, Evaluated | StepsLogged)
    ]
    assert isinstance(told[0], Evaluated)
    assert (told[0].step, told[1].step) == (12, 13)
    assert read_score(whole.checkpoints / "12") == told[0].knn_representation, "so it can be the best"
    assert newest_sound(whole.checkpoints) == Recovery(whole.checkpoints / "16")
    verify(whole.checkpoints / "12")


def test_a_run_without_its_settings_trains_on_and_has_them_again(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "one", TINY.replace({"steps": 4}))
    for _ in record(train(run.config, run, Control(run.control), pictures=False), run):
        pass
    run.config_path.unlink()
    config, _ = settings_of(run)
    longer = config.replace({"steps": 8})
    *_, last = record(train(longer, run, Control(run.control), pictures=False), run)
    assert isinstance(last, RunFinished)
    assert (last.step, last.reason) == (8, "completed")
    assert run.config == longer
