import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from simo2_core.compare.carry_out import _session, carry_out, course_of, open_comparison, unless_begun
from simo2_core.compare.plan import make_plan
from simo2_core.evaluation.evaluate import Evaluation, evaluate
from simo2_core.events import Evaluated, Planned
from simo2_core.presets import PRESETS
from simo2_core.run.directory import RunDirectory
from tests.simo2_tui.recorded import started
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


def test_a_run_that_settled_is_measured_by_the_state_that_its_test_was_read_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, real, measured = {4: 0.5, 8: 0.7, 12: 0.6, 16: 0.65}, evaluate, []

    def scored(*args: Any, **options: Any) -> Evaluation:
        found = real(*args, **options)
        if found.event.split != "validation":
            return found
        seen = replace(found.event, knn_representation=scores[found.event.step], effective_rank=found.event.step)
        return replace(found, event=seen)

    def assessed(run: RunDirectory, checkpoint: Path, **options: Any) -> Any:
        measured.append(checkpoint.name)
        return SimpleNamespace(worth={}, class_names=("a",) * 1000)

    monkeypatch.setattr("simo2_core.train.training.evaluate", scored)
    monkeypatch.setattr("simo2_core.evaluation.assess.assess", assessed)
    settings = QUIET | {"steps": 40, "eval_every": "4", "patience": 2}
    job, _ = make_plan(DIGITS.replace(settings), ["simo2"], [], 2, None).runs({})
    outcome = carry_out(tmp_path, job, lambda *_: None, threading.Event())
    assert outcome is not None
    assert measured == ["8"]
    assert (outcome.step, outcome.validation, outcome.geometry["effective_rank"]) == (8, 0.7, 8)
    assert [step for step, _, _ in outcome.course] == [4, 8, 12, 16], "the picture shows all of it"


WHY = "bfloat16: in bfloat16 its largest convolutions took 0.70 of float32's time here, 140 and 200 ms"


@pytest.mark.parametrize("begun", [False, True], ids=["new", "stopped before it decided"])
@pytest.mark.parametrize(
    ("decided", "why", "changes", "expected"),
    [
        ("bfloat16", WHY, {}, "bfloat16"),
        ("bfloat16", WHY, {"embedding_size": 5, "objective": "cross_entropy"}, "bfloat16"),
        ("bfloat16", WHY, {"widths": (9,)}, "auto"),
        ("bfloat16", WHY, {"samples_per_class": 2}, "auto"),
        ("bfloat16", WHY, {"precision": "float32"}, "float32"),
        ("bfloat16", None, {}, "auto"),
        ("auto", None, {}, "auto"),
    ],
    ids=["the same", "another head", "another encoder", "another batch", "given here", "given there", "left open"],
)
def test_a_run_has_the_precision_that_an_earlier_one_of_the_comparison_decided(
    tmp_path: Path, decided: str, why: str | None, changes: dict[str, Any], expected: str, begun: bool
) -> None:
    first, _ = make_plan(DIGITS, ["simo2"], [], 2, None).runs({})
    _, second = make_plan(DIGITS.replace(changes), ["simo2"], [], 2, None).runs({})
    runs = tmp_path / "runs"
    run = RunDirectory.create(runs, first.name, first.config.replace({"precision": decided, "steps": 77}))
    run.events_path.write_text(replace(started(run, 77), precision=why).to_line() + "\n")
    (runs / "damaged").mkdir()
    (runs / "damaged" / "config.json").write_text("{")
    if begun:
        RunDirectory.create(runs, second.name, second.config)
    assert _session(tmp_path, second).config == second.config.replace({"precision": expected})
