"""One start of a run: what every face has in common."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from simo2_core.commands import Command, Reason
from simo2_core.config import Config
from simo2_core.data.progress import Progress
from simo2_core.errors import ConfigError, RunError, RunLockedError, StoppedError
from simo2_core.events import Event, RunFinished
from simo2_core.presets import PRESETS
from simo2_core.run.control import Control, send_command
from simo2_core.run.directory import RunDirectory
from simo2_core.session import RunSession, require_flags, with_init
from simo2_core.trackers.tensorboard import Tensorboard
from tests.simo2_tui.recorded import logged, started, write_run

DIGITS = PRESETS["digits"].config


def _events(run: RunDirectory) -> Iterator[Event]:
    yield started(run, 400)
    yield logged(1, 3, 400)
    yield RunFinished(step=3, reason=Reason.COMPLETED, message="", checkpoint=None, seconds={})


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The settings of what was trained, which is only said here."""
    configs: list[Config] = []

    def train(config: Config, run: RunDirectory, control: Control, dataset: Any, *, pictures: bool) -> Iterator[Event]:
        configs.append(config)
        yield from _events(run)

    monkeypatch.setattr("simo2_core.train.trainer.train", train)
    return configs


def test_flags_that_xla_does_not_know_are_refused_before_there_is_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--nonsense")
    require_flags.cache_clear()
    with pytest.raises(ConfigError, match=r"XLA_FLAGS is '--nonsense', with which XLA ends .*--nonsense"):
        RunSession.create(DIGITS, tmp_path, "one")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    require_flags.cache_clear()
    require_flags()


def test_what_comes_out_is_in_the_log_and_the_run_is_free_afterwards(tmp_path: Path, trained: list[Config]) -> None:
    with RunSession.create(DIGITS, tmp_path, "one") as session:
        assert session.run.owned()
        kinds = [event.kind for event in session.events()]
    assert [event.kind for event in session.run.events()] == kinds == ["run_started", "steps", "finished"]
    assert not session.run.owned()
    assert trained == [DIGITS]


def test_who_has_seen_enough_ends_the_training(tmp_path: Path, trained: list[Config]) -> None:
    with RunSession.create(DIGITS, tmp_path, "one") as session:
        next(session.events())
    assert [event.kind for event in session.run.events()] == ["run_started"]
    assert not session.run.owned()


def test_a_state_that_diverged_is_set_aside_whoever_goes_on(tmp_path: Path, trained: list[Config]) -> None:
    run = write_run(tmp_path, upto=200, finish="diverged")
    newest = [event.step for event in run.events()][-1]
    (run.checkpoints / str(newest)).mkdir()
    with RunSession(DIGITS, run):
        assert (run.checkpoints / f"{newest}.diverged").is_dir()


def test_a_stop_is_heard_while_images_are_decoded_and_leaves_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Progress] = []

    def load_dataset(config: Any, *, report: Callable[[Progress], None]) -> None:
        for done in range(3):
            if done == 2:
                send_command(session.run.control, "stop", "attach pid 7")
            report(Progress(stage="decode", name="x", done=done, total=10))

    monkeypatch.setattr("simo2_core.data.load.load_dataset", load_dataset)
    session = RunSession.create(DIGITS, tmp_path, "one", report=seen.append)
    with pytest.raises(StoppedError, match="before the first step") as caught, session:
        pass
    assert (caught.value.exit_code, len(seen)) == (130, 3)
    assert not session.run.path.exists()


def test_a_run_of_another_process_keeps_the_commands_that_are_meant_for_it(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "one", DIGITS)
    with run.own():
        send_command(run.control, Command.CHECKPOINT, "attach pid 7")
        with pytest.raises(RunLockedError), RunSession(DIGITS, RunDirectory.open(run.path)):
            pass
        assert len(list(run.control.glob("*.json"))) == 1


def test_every_face_can_be_tracked(tmp_path: Path, trained: list[Config]) -> None:
    pytest.importorskip("tensorboard")
    said: list[str] = []
    with RunSession.create(DIGITS, tmp_path, "one", services=[Tensorboard()], say=said.append) as session:
        list(session.events())
    assert list((session.run.path / "tensorboard").glob("*tfevents*"))
    assert said[0].startswith("tensorboard: ")


def test_weights_are_looked_for_among_the_runs_that_the_new_one_joins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = write_run(tmp_path / "elsewhere", "first", upto=200)
    newest = 200
    (source.checkpoints / str(newest)).mkdir()
    config = DIGITS.replace({"init": "first"})
    session = RunSession.create(config, tmp_path / "elsewhere", "second")
    assert session.run.config.tune.init == str(source.checkpoints / str(newest))
    assert session.config == session.run.config
    assert with_init(session.config, tmp_path).tune.init == session.config.tune.init, "a path stays one"
    with pytest.raises(RunError, match="has none of that name"):
        RunSession.create(config, tmp_path / "runs", "third")
    assert not (tmp_path / "runs" / "third").exists()
