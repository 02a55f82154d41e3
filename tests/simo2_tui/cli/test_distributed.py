"""`simo2 train --distributed`: two real processes on the loopback device train digits together."""

import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from simo2_core.config import Config
from simo2_core.events import StepsLogged
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import record
from simo2_core.train.trainer import train
from simo2_tui.cli.main import app
from tests.simo2_tui.cli.test_train import start

SETTINGS = ["--widths", "8", "--stem-width", "4", "--samples-per-class", "4", "--batch-size", "40",
            "--steps", "100000", "--schedule", "constant", "--learning-rate", "1e-3",
            "--labels-per-class", "6", "--eval-every", "never", "--plot-every", "never",
            "--checkpoint-every", "6", "--published", "--name", "one", "--json"]  # fmt: skip
BOUND = 60
"""Seconds within which a process notices that another is gone."""


def start_pair(folder: Path) -> tuple[subprocess.Popen[str], subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = ["--distributed", "--coordinator", f"127.0.0.1:{port}", "--processes", "2"]
    first, second = (
        start("train", *SETTINGS, *together, "--process-id", str(i), cwd=folder, JAX_DISABLE_MOST_OPTIMIZATIONS="1")
        for i in range(2)
    )
    return first, second


def wait_for_checkpoint(leader: subprocess.Popen[str]) -> None:
    assert leader.stdout is not None
    assert any('"checkpoint_saved"' in line for line in leader.stdout), leader.communicate()


def end_of(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=BOUND)
    return process.returncode, out, err


def totals(run: RunDirectory, at_most: int) -> list[float]:
    every = [total for event in run.events() if isinstance(event, StepsLogged) for total in event.total]
    return every[:at_most]


def train_alone(config: Config, run: RunDirectory) -> RunDirectory:
    list(record(train(config, run, Control(), pictures=False), run))
    return run


@pytest.mark.slow
def test_two_processes_train_what_one_trains_and_one_goes_on_when_the_other_dies(tmp_path: Path) -> None:
    leader, follower = start_pair(tmp_path)
    wait_for_checkpoint(leader)
    follower.kill()
    begin = time.monotonic()
    code, _, err = end_of(leader)
    assert time.monotonic() - begin < BOUND
    assert code == 1
    assert err.startswith("simo2: another process of this run has ended or cannot be reached")
    assert err.endswith("--resume runs/one.\n")
    assert err.count("\n") == 1
    follower.communicate()

    run = RunDirectory.open(tmp_path / "runs" / "one")
    step = max(int(path.name) for path in run.checkpoints.iterdir() if path.name.isdigit())
    rest = {"checkpoint_every": "never"}
    train_alone(run.config.replace({"steps": step + 6, **rest}), run)
    assert len(totals(run, step + 6)) == step + 6
    short = run.config.replace({"steps": 12, **rest})
    first = totals(train_alone(short, RunDirectory.create(tmp_path, "alone", short)), 12)
    np.testing.assert_allclose(totals(run, 12), first, rtol=1e-5)
    assert len(first) == 12
    assert len(set(first)) == 12


@pytest.mark.slow
def test_the_others_end_with_one_line_when_the_first_dies(tmp_path: Path) -> None:
    leader, follower = start_pair(tmp_path)
    wait_for_checkpoint(leader)
    leader.kill()
    code, _, err = end_of(follower)
    assert code == 1
    assert err.startswith("simo2: another process of this run has ended or cannot be reached")
    assert err.count("\n") == 1
    leader.communicate()
    assert RunDirectory.open(tmp_path / "runs" / "one").checkpoints.is_dir()


@pytest.mark.slow
def test_a_signal_to_any_process_stops_and_saves(tmp_path: Path) -> None:
    leader, follower = start_pair(tmp_path)
    wait_for_checkpoint(leader)
    follower.send_signal(signal.SIGTERM)
    (code, out, err), (other_code, other_out, other_err) = end_of(leader), end_of(follower)
    assert (code, err, other_code, other_err) == (130, "", 130, "")
    result = json.loads(out.splitlines()[-1])
    assert result["reason"] == "interrupted"
    assert (tmp_path / result["checkpoint"]).is_dir()
    assert json.loads(other_out.splitlines()[-1]) == {"process": 1, "processes": 2, "reason": "interrupted"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--processes", "2"], "which is not given"),
        (["--distributed", "--coordinator", "node1"], "must be HOST:PORT"),
        (["--distributed", "--processes", "2", "--process-id", "2"], "from 0 to 1"),
    ],
)
def test_what_cannot_be_is_one_line(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["train", *arguments])
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_no_job_and_no_address_is_one_line(tmp_path: Path) -> None:
    process = start("train", "--distributed", cwd=tmp_path)
    code, _, err = end_of(process)
    assert code == 2
    assert err.startswith("simo2: the other processes cannot be found")
    assert err.count("\n") == 1
