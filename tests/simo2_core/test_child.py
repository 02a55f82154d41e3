import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from simo2_core.child import child_environment, module_command, read_answer
from simo2_core.data.pool import Worker, WorkerDiedError
from simo2_core.data.prepare import _run
from simo2_core.errors import DataError
from simo2_core.events import PlotSaved
from simo2_core.presets import PRESETS
from simo2_core.run.directory import RunDirectory
from simo2_core.track.outlet import Outlet
from simo2_core.trackers.tensorboard import Tensorboard
from simo2_core.train.plotting import Plotter
from simo2_tui.session.trial import Trial
from simo2_tui.session.tsne import Layouts

CONFIG = PRESETS["digits"].config

NONSENSE = ["", "nonsense", "[]", "1", "null", '{"a": 1}', '{"plot": 1, "step": "x", "path": 2}', "{" * 100_000, "\xff"]

Child = Callable[[str], None]


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Child:
    """Puts a program that says a text in place of every child."""
    said = tmp_path / "said"
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ncat '{said}'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(program))

    def say(text: str) -> None:
        said.write_text(text + "\n", "latin-1")

    return say


@pytest.mark.parametrize("name", ["random", "copy", "select", "selectors", "struct", "json"])
def test_a_child_imports_nothing_from_the_working_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')")
    code = "import random, copy, select, selectors, struct, json, multiprocessing.spawn, simo2_core.child"
    command = [sys.executable, "-c", code]  # as multiprocessing starts its own, without -P
    subprocess.run(command, cwd=tmp_path, env=child_environment(), check=True, timeout=60)
    assert module_command("a.b", "c") == [sys.executable, "-P", "-m", "a.b", "c"]


def test_a_child_does_not_get_the_working_directory_by_way_of_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    assert not {"", str(tmp_path)} & set(child_environment()["PYTHONPATH"].split(os.pathsep))


@pytest.mark.parametrize("text", NONSENSE)
def test_an_answer_is_an_object_or_nothing(text: str) -> None:
    assert read_answer(text) in ({}, {"a": 1}, {"plot": 1, "step": "x", "path": 2})


def test_pictures_of_a_child_that_answers_nonsense_are_none(tmp_path: Path, child: Child) -> None:
    run = RunDirectory.create(tmp_path, "one", CONFIG)
    child("\n".join([*NONSENSE, json.dumps({"plot": "pca", "path": str(run.plots / "pca.png"), "step": 3})]))
    plotter = Plotter(run)
    plotter.request(3, last=True)
    assert plotter._child is not None
    assert "--awaited" in str(plotter._child.args)
    assert [(event.step, event.path) for event in plotter.finish(10)] == [(3, "plots/pca.png")]
    assert all(isinstance(event, PlotSaved) for event in plotter.finish(10))


@pytest.mark.parametrize("text", ["", "\n".join(NONSENSE)])
def test_a_service_that_answers_nonsense_ends_in_a_line(tmp_path: Path, child: Child, text: str) -> None:
    run = RunDirectory.create(tmp_path, "one", CONFIG)
    child(text)
    outlet = Outlet(run, Tensorboard(folder=str(tmp_path / "out")))
    assert outlet.finish(time.monotonic() + 10).startswith("tensorboard: ")


@pytest.mark.parametrize("text", ["", "\n".join(NONSENSE)])
def test_a_trial_and_a_layout_that_answer_nonsense_say_why_they_failed(child: Child, text: str) -> None:
    child(text)
    trial = Trial(CONFIG)
    assert trial.pace() is None
    assert trial.reason == "exit code 0"
    layouts = Layouts(Path("run"))
    for name, reason in (("nothing.npz", "a layout of shape (3,)"), ("other.npz", "exit code 0")):
        layouts.want([name])
        assert layouts._process is not None
        layouts._process.wait()
        if name == "nothing.npz":
            np.save(layouts._out, np.zeros(3))
        layouts.want([])
        assert layouts.points(name) is None
        assert layouts.reason(name) == reason
    layouts.close()


def test_preparing_and_decoding_children_that_answer_nonsense_are_a_data_error(tmp_path: Path, child: Child) -> None:
    child("\n".join(text for text in NONSENSE if "path" not in text))
    with pytest.raises(DataError, match="the preparing process died"):
        _run([sys.executable], {"name": "x", "data_dir": str(tmp_path)}, "x", lambda _: None)
    worker = Worker(None)  # type: ignore[arg-type]
    with pytest.raises(WorkerDiedError, match="a decoding process died"):
        worker.run(None)
    worker.close()


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense", "TkAgg"])
def test_a_notebooks_backend_is_not_asked_for(tmp_path: Path, backend: str) -> None:
    code = """
import os, sys
from pathlib import Path
import numpy as np
from simo2_core.analysis.plots.scatter import draw_pca
from simo2_core.analysis.plots.style import Caption
draw_pca(Path("a.png"), np.eye(4, dtype=np.float32), np.arange(4), ("a", "b", "c", "d"), Caption("x", 1, 4))
sys.exit(os.environ["MPLBACKEND"] != sys.argv[1])
"""
    environment = child_environment(MPLBACKEND=backend)
    subprocess.run([sys.executable, "-c", code, backend], cwd=tmp_path, env=environment, check=True, timeout=120)
    assert (tmp_path / "a.png").stat().st_size
