"""A service that is absent, broken or stuck costs a run nothing but a warning."""

import os
import signal
import subprocess
import sys
import time

import pytest

from simo2_core.errors import ConfigError
from simo2_core.events import RunFinished, WarningRaised
from simo2_core.run.directory import RunDirectory
from simo2_core.track.outlet import Outlet, Tracking
from simo2_core.trackers.series import series
from simo2_core.trackers.tensorboard import Tensorboard
from simo2_core.trackers.wandb import Wandb
from tests.simo2_tui.recorded import evaluated, logged, write_run


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    return write_run(tmp_path, "demo", upto=80, finish="completed")


def test_every_step_of_a_call_is_told_and_its_speed_once():
    event = logged(5, 3, 40)
    rows = list(series(event))
    assert [step for step, _ in rows] == [5, 6, 7]
    assert [row["loss/total"] for _, row in rows] == list(event.total)
    assert ["speed/steps_per_second" in row for _, row in rows] == [False, False, True]
    ((step, row),) = series(evaluated(40, 0.5, "test"))
    assert (step, row["test/effective_rank"]) == (40, evaluated(40, 0.5).effective_rank)


def test_what_cannot_work_is_refused(monkeypatch):
    with pytest.raises(ConfigError, match="one of online, offline"):
        Wandb(mode="sometimes")
    with pytest.raises(ConfigError, match="wandb_project is ' '"):
        Wandb(project=" ")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"wandb is not installed.*pip install 'simo2\[wandb\]'"):
        Wandb().require_client()


def test_a_service_that_fails_is_one_warning_and_every_event_passes(run):
    events = list(run.events())
    lines = []

    def patiently():
        yield from events[:-2]
        deadline = time.monotonic() + 120  # its process needs a moment to fail, on a busy machine a long one
        while not tracking._outlets[0]._error and time.monotonic() < deadline:
            time.sleep(0.02)
        yield from events[-2:]

    with Tracking(run, [Tensorboard(folder=str(run.path / "config.json" / "in-a-file"))], lines.append) as tracking:
        passed = list(tracking.watch(patiently()))
    warnings = [event for event in passed if isinstance(event, WarningRaised)]
    assert [event for event in passed if event not in warnings] == events
    assert isinstance(passed[-1], RunFinished)
    assert [event.code for event in warnings] == ["tracking"]
    assert "simo2 log" in warnings[0].cure
    assert len(lines) == 1
    assert lines[0].startswith("tensorboard: ")


def test_a_service_that_is_stuck_neither_blocks_nor_fills_the_memory(run):
    outlet = Outlet(run, Tensorboard(folder=str(run.path / "tensorboard")), waiting=5)
    assert outlet._child is not None
    os.kill(outlet._child.pid, signal.SIGSTOP)
    long = logged(1, 5000, 5000)  # more than a pipe holds
    start = time.monotonic()
    for _ in range(200):
        outlet.write(long)
    assert time.monotonic() - start < 1
    problem = outlet.problem()
    assert problem is not None
    assert "too slow" in problem
    assert outlet.problem() is None, "told once"
    assert "not everything was told" in outlet.finish(time.monotonic() + 0.2)
    outlet._child.kill()
    for thread in outlet._threads:
        thread.join(5)
    outlet._child.wait(5)


def test_training_and_tracking_import_no_client():
    program = (
        "import sys, simo2_tui.cli.train, simo2_tui.cli.log, simo2_core.train.trainer, simo2_core.track.outlet\n"
        "from simo2_core.trackers.wandb import Wandb\n"
        "Wandb().to_line()\n"
        "sys.exit(str([name for name in ('wandb', 'tensorboard', 'umap') if name in sys.modules] or '') or 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
