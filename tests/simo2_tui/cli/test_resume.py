"""What cannot be asked of a run that is gone on with: refused in one line, by every face, and nothing changes."""

from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import pytest
from typer.testing import CliRunner

import simo2_core as simo2
from simo2_core.checkpoints.checkpoint import Checkpoints
from simo2_core.errors import ConfigError
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.train.trainer import train
from simo2_tui.cli.main import app
from simo2_tui.session.live import LiveSession
from tests.simo2_tui.recorded import write_run


@pytest.fixture
def at_step_12(tmp_path: Path) -> RunDirectory:
    run = write_run(tmp_path, "one", upto=12)
    checkpoints = Checkpoints(run.checkpoints)
    checkpoints.save(12, {"a": jnp.arange(3.0)}, {"config": run.config.to_json()})
    checkpoints.close()
    return run


def _in_the_console(run: RunDirectory) -> None:
    session = LiveSession(run.config.replace({"steps": 5}), run.path.parent, resume=run)
    session.start()
    session.join()
    assert session.error is not None
    raise session.error


FACES: dict[str, Callable[[RunDirectory], object]] = {
    "a script": lambda run: simo2.resume(run.path, steps=5).run(),
    "the loop": lambda run: list(train(run.config.replace({"steps": 5}), run, Control(run.control))),
    "the console": _in_the_console,
}


@pytest.mark.parametrize("face", FACES)
def test_fewer_steps_than_are_taken_are_refused_in_every_face(face: str, at_step_12: RunDirectory) -> None:
    before = _files(at_step_12)
    with pytest.raises(ConfigError, match=r"steps is 5, and \S*one is at step 12 already. Give --steps above 12"):
        FACES[face](at_step_12)
    assert _files(at_step_12) == before


@pytest.mark.parametrize("words", [["train", "--resume", "one"], ["resume", "one"]], ids=lambda words: words[0])
def test_fewer_steps_than_are_taken_are_refused_on_the_command_line(words: list[str], at_step_12: RunDirectory) -> None:
    before = _files(at_step_12)
    result = CliRunner().invoke(app, [*words, "--steps", "5", "--run-dir", str(at_step_12.path.parent)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("simo2: steps is 5, and ")
    assert result.stderr.count("\n") == 1
    assert _files(at_step_12) == before


def _files(run: RunDirectory) -> dict[str, bytes]:
    kept = (run.config_path, run.events_path, *run.checkpoints.rglob("*"))
    return {str(path): path.read_bytes() for path in kept if path.is_file()}


@pytest.mark.parametrize("words", [["train", "--resume", "one"], ["resume", "one"]], ids=lambda words: words[0])
def test_weights_to_begin_with_are_refused(words: list[str], at_step_12: RunDirectory) -> None:
    result = CliRunner().invoke(app, [*words, "--init", "other", "--run-dir", str(at_step_12.path.parent)])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "--init is given for a run that is gone on with" in result.stderr


def test_a_preset_beside_resume_is_refused(at_step_12: RunDirectory) -> None:
    words = ["train", "--resume", "one", "--preset", "stl10", "--run-dir", str(at_step_12.path.parent)]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "--preset is given with --resume" in result.stderr
