import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from simo2_core.compare.carry_out import carry_out, course_of, open_comparison, unless_begun
from simo2_core.compare.plan import make_plan
from simo2_core.events import Evaluated, Planned
from simo2_core.presets import PRESETS
from simo2_core.run.directory import RunDirectory
from tests.tiny import DIGITS, QUIET

PARENT = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from simo2_core.compare.carry_out import _begin_worker, make_stop

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    free = context.Queue()
    free.put(0)
    stop = make_stop(2)
    with ProcessPoolExecutor(1, mp_context=context, initializer=_begin_worker, initargs=(free, stop)) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 60).result()
"""


def test_a_worker_ends_with_the_process_that_it_works_for(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    for _ in range(200):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the worker trains on alone")


def test_a_comparison_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    plan = make_plan(PRESETS["digits"].config, ["simo2", "supcon"], [], 2, None)
    for begun in (False, True):
        folder = open_comparison(tmp_path, "compare", plan)
        (folder / "runs").mkdir()
        if begun:
            (folder / "runs" / "one").mkdir()
        with pytest.raises(KeyboardInterrupt), unless_begun(folder):
            raise KeyboardInterrupt
        assert folder.exists() == begun


def test_a_trial_of_a_run_for_a_time_ends_before_it_reads_test(tmp_path: Path) -> None:
    plan = make_plan(DIGITS.replace(QUIET | {"minutes": 0.04}), ["simo2"], [], 2, "lr=0.01")
    folder = open_comparison(tmp_path, "timed", plan)
    [trial] = plan.trials()
    outcome = carry_out(folder, trial, lambda *_: None, threading.Event())
    run = RunDirectory.open(folder / "runs" / trial.name)
    events = list(run.events())
    assert [event.split for event in events if isinstance(event, Evaluated)] == ["validation"]
    assert outcome is not None
    assert outcome.step == [event for event in events if isinstance(event, Planned)][-1].steps != trial.config.steps
    assert outcome.course == tuple(course_of(run))
