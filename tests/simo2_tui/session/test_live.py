"""A run that the console trains itself goes through the same session as every other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from simo2_core.commands import Reason
from simo2_core.config import Config
from simo2_core.events import Event, RunFinished
from simo2_core.presets import PRESETS
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.trackers.tensorboard import Tensorboard
from simo2_tui.cli.main import app
from simo2_tui.session.live import LiveSession
from tests.simo2_tui.recorded import logged, started


def test_a_run_of_the_console_can_be_tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")

    def train(config: Config, run: RunDirectory, control: Control, dataset: Any, *, pictures: bool) -> Iterator[Event]:
        yield started(run, 400)
        yield logged(1, 3, 400)
        yield RunFinished(step=3, reason=Reason.COMPLETED, message="", checkpoint=None, seconds={})

    monkeypatch.setattr("simo2_core.train.trainer.train", train)
    session = LiveSession(PRESETS["digits"].config, tmp_path, "one", services=[Tensorboard()])
    session.start()
    session.join(60)
    assert session.error is None
    assert session.history.finished is not None
    assert list((tmp_path / "one" / "tensorboard").glob("*tfevents*"))
    (line,) = session.last_words
    assert line.startswith("tensorboard: ")


def test_the_console_takes_the_options_of_tracking() -> None:
    result = CliRunner().invoke(app, ["tui", "digits", "--wandb-mode", "offline"])
    assert result.exit_code == 2
    assert "without --wandb" in result.stderr
