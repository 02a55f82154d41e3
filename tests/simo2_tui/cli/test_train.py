"""`simo2 train` as a user runs it: a process, its output, its exit code and its folder."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simo2_core.run.directory import RunDirectory
from simo2_tui.cli.main import app
from tests import tiny
from tests.tiny import options

pytestmark = pytest.mark.slow

TINY = [*options(tiny.TINY), "--plot-every", "never"]


def start(
    *arguments: str, cwd: Path, wrapper: Sequence[str] = (), pictures: bool = True, **environment: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*wrapper, sys.executable, "-m", "simo2_tui.start" if pictures else "tests.without_pictures", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), **environment},
    )


def simo2(*arguments: str, cwd: Path, pictures: bool = True) -> tuple[int, str, str]:
    process = start(*arguments, cwd=cwd, pictures=pictures)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def test_json_ends_in_a_result_that_the_folder_confirms(tmp_path: Path) -> None:
    code, out, err = simo2("train", *TINY, "--steps", "30", "--name", "one", "--json", cwd=tmp_path)
    assert (code, err) == (0, "")
    *events, result = map(json.loads, out.splitlines())
    assert set(result["test"]) >= {"knn_representation", "knn_projection", "knn_raw_pixels"}
    assert set(result["seconds"]) >= {"compile", "train", "evaluate"}
    assert (tmp_path / result["run"] / "config.json").exists()
    assert (tmp_path / result["checkpoint"]).is_dir()
    run = RunDirectory.open(tmp_path / "runs" / "one")
    assert [event.to_json() for event in run.events()] == events
    test = [event for event in events if event["event"] == "evaluated" and event["split"] == "test"]
    assert len(test) == 1, "test is read once"
    assert test[0]["knn_representation"] == result["test"]["knn_representation"]
    drawn = {event["path"] for event in events if event["event"] == "plot_saved"}
    assert drawn >= {"plots/curves.png", "plots/pca.png", "plots/tsne.png"}
    assert {str(path.relative_to(run.path)) for path in run.plots.iterdir()} == drawn, "what is told is on disk"


def test_a_signal_keeps_a_checkpoint_that_can_be_resumed_and_plotted(tmp_path: Path) -> None:
    done = 0
    for number in (signal.SIGINT, signal.SIGUSR1):  # test_headless.py has all that ask for a stop
        words = ("resume", "one") if done else ("train", *TINY, "--steps", "100000", "--name", "one")
        process = start(*words, "--json", cwd=tmp_path)
        assert process.stdout is not None
        logged = (json.loads(line)["step"] for line in process.stdout if '"event":"steps"' in line)
        assert next(logged) == done + 1
        assert any(step > done + 3 for step in logged)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, (number, err)
        result = json.loads(out.splitlines()[-1])
        assert (result["reason"], result["test"]) == ("interrupted", None)
        assert Path(tmp_path / result["checkpoint"]).is_dir()
        assert ("simo2: stopping and saving" in err) == (number == signal.SIGINT)
        done = result["step"]
    code, out, err = simo2("plot", result["checkpoint"], "--kinds", "pca", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert f"pca, step {done}: " in out


def test_a_signal_while_it_compiles_is_heard_and_waits_for_no_compiler(tmp_path: Path) -> None:
    # at full size and with a cache of its own it compiles for seconds
    process = start("train", "--name", "one", "--json", cwd=tmp_path, SIMO2_CACHE=str(tmp_path / "cache"),
                    JAX_COMPILATION_CACHE_DIR=str(tmp_path / "compiled"))  # fmt: skip
    assert process.stdout is not None
    assert "run_started" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")
    result = json.loads(out.splitlines()[-1])
    assert (result["reason"], result["step"], result["checkpoint"]) == ("interrupted", 0, None)
    assert '"event":"compiled"' not in out


def test_a_read_only_run_directory_is_one_line(tmp_path: Path) -> None:
    code, out, err = simo2("train", *TINY, "--run-dir", "/proc/simo2", cwd=tmp_path)
    assert code == 1
    assert out == ""
    assert err.startswith("simo2: ")
    assert err.count("\n") == 1


def test_a_run_that_is_owned_is_refused_with_its_owner(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "runs", "one", tiny.DIGITS)
    with run.own():
        code, _, err = simo2("train", "--resume", "one", cwd=tmp_path)
    assert code == 1
    assert f"process {os.getpid()}" in err


def test_a_disk_that_fills_up_is_said_and_training_goes_on(tmp_path: Path) -> None:
    # a file that may not grow fails as on a full disk; SIGXFSZ would end the process before it can say so
    limited = ["bash", "-c", 'trap "" XFSZ; ulimit -f 5; exec "$@"', "bash"]
    process = start("train", *TINY, "--steps", "60", "--name", "one", "--plain", cwd=tmp_path, wrapper=limited)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 1, out + err
    assert "warning disk" in out
    assert err.startswith("simo2: the checkpoint of step 60, ")
    assert "no room left on the disk. Free some space" in err
    assert err.count("simo2: ") == 1
    assert "Traceback" not in err


@pytest.mark.usefixtures("no_pictures")
def test_a_run_that_diverged_is_resumed_from_before_the_state_that_did_and_told_in_plain_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wild = ["--optimizer", "sgd", "--steps", "12", "--learning-rate", "1e30", "--name", "wild"]
    assert CliRunner().invoke(app, ["train", *TINY, *wild], catch_exceptions=False).exit_code == 3
    tame = ["--learning-rate", "1e-3", "--steps", "30", "--log-rate", "10", "--plain"]
    done = CliRunner().invoke(app, ["resume", "wild", *tame], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    assert list((tmp_path / "runs" / "wild" / "checkpoints").glob("*.diverged"))
    lines = done.stdout.splitlines()
    assert [line.split()[1] for line in lines if " loss total " in line] == ["10/30", "20/30", "30/30"]
    for words in ("raw pixels (baseline)", "Checkpoint: runs/", "Time: compile", "Next: simo2 plot", "kNN@20: cosine"):
        assert words in done.stdout
