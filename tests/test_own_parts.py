"""A package of somebody else's adds one part of each kind, and nothing of simo2 knows of it.

`tests/own_parts` is installed into a folder of its own. With that folder on Python's path its parts are trained,
resumed after a kill, watched, compared, evaluated and exported; without it they are refused by the package's name.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simo2_core import load_encoder, parts
from simo2_core.run.directory import RunDirectory
from simo2_tui.screens import readings
from simo2_tui.session.history import History
from tests.simo2_tui.test_real_terminal import Terminal

ROOT = Path(__file__).parents[1]
PARTS = [
    "--dataset", "stripes:3", "--noise-level", "30", "--objective", "triplet", "--margin", "0.4", "--encoder", "tiny",
    "--width", "6", "--augmentation", "grey_square", "--hole", "1", "--samples-per-class", "8", "--batch-size", "24",
]  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--disable-pip-version-check")
    install = [sys.executable, "-m", "pip", "install", *offline, "--target", str(folder), str(ROOT / "tests/own_parts")]
    subprocess.run(install, check=True)
    return folder


def simo2(site: Path | None, cwd: Path, *words: str, program: str = "simo2_tui.start") -> subprocess.Popen[str]:
    path = os.pathsep.join(str(entry) for entry in (ROOT, site) if entry is not None)
    return subprocess.Popen(
        [sys.executable, "-m", program, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "JAX_NUMPY_RANK_PROMOTION": "allow"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def run(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed and has gone on to its end."""
    folder = tmp_path_factory.mktemp("own")
    often = ("--steps", "1000000", "--checkpoint-every", "50", "--eval-every", "never", "--plot-every", "never")
    begun = simo2(site, folder, "train", *PARTS, *often, "--name", "own", "--json")
    checkpoints, end = folder / "runs/own/checkpoints", time.monotonic() + 200

    def saved() -> list[int]:  # while one is written, its folder has a longer name
        return [int(path.name) for path in checkpoints.glob("[0-9]*") if path.name.isdecimal()]

    while not saved() and time.monotonic() < end:
        assert begun.poll() is None, begun.communicate()
        time.sleep(0.1)
    begun.send_signal(signal.SIGKILL)
    begun.communicate()
    steps = ("--steps", str(max(saved()) + 100))
    more = ("--margin", "0.5", "--tracker", "lines:file=told.txt", "--json")
    done = result(simo2(site, folder, "resume", "own", *steps, *more, program="tests.without_pictures"))
    assert done["test"]["knn_representation"] > 0.8
    return folder / "runs/own"


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(site))
    parts._installed.cache_clear()
    monkeypatch.setattr(parts, "_installed", parts._installed.__wrapped__)


def test_the_run_says_which_parts_it_has_and_of_which_package(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())["config"]
    assert config["objective"] == {"part": "triplet", "package": "own-parts", "margin": 0.5}
    assert config["model"]["encoder"] == {"part": "tiny", "package": "own-parts", "width": 6}
    assert {"part": "grey_square", "package": "own-parts", "hole": 1} in config["augment"]
    assert config["data"]["sources"] == [{"part": "stripes", "package": "own-parts", "noise_level": 30}]


@pytest.mark.usefixtures("installed")
def test_it_is_watched_with_a_curve_for_each_of_six_terms(run: Path) -> None:
    found, history = RunDirectory.open(run), History()
    for event in found.events():
        history.add(event)
    curves = readings.loss_series(history, "sum", found.config.objective)
    assert len(curves) == 6


def test_it_is_attached_to_in_a_terminal_where_the_package_is_and_refused_in_a_line_where_it_is_not(
    run: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parents[1])
    watching = Terminal(("attach", "own"), size=(36, 120), PYTHONPATH=os.pathsep.join(map(str, (ROOT, site))))
    refused = Terminal(("attach", "own"), PYTHONPATH=str(ROOT))
    try:
        assert refused.code() == 2
        said = " ".join(refused.text().split())
        assert said.count("simo2:") == 1
        assert "is of the package own-parts, which is not installed here. Install it with: pip install own-p" in said
        watching.wait_for(lambda: "completed (replay)" in watching.text() and "hardest" in watching.text(), "its terms")
        watching.press("q")
        assert watching.code() == 0
    finally:
        watching.close()
        refused.close()


@pytest.mark.usefixtures("installed")
def test_its_encoder_is_exported_and_loaded(run: Path, site: Path) -> None:
    result(simo2(site, run.parents[1], "export", "own", "--out", "out", "--json"))
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)
    exported, own = load_encoder(run.parents[1] / "out"), load_encoder(run)
    np.testing.assert_array_equal(exported.represent(images), own.represent(images))
    assert own.represent(images).shape == (4, 6)


def test_it_is_evaluated_with_a_number_of_its_own(run: Path, site: Path) -> None:
    found = result(simo2(site, run.parents[1], "eval", "own", "--metric", "mean_margin:floor=-0.5", "--json"))
    assert -1 <= found["scores"]["representation"]["mean_margin"]["value"] <= 2


def test_its_objective_is_an_arm_and_brings_another(run: Path, site: Path) -> None:
    plan = ("--objectives", "triplet-wide:margin=0.7", "--seeds", "2", "--steps", "4", "--name", "both")
    found = result(simo2(site, run.parents[1], "compare", *PARTS[:4], *PARTS[8:], *plan, "--devices", "1", "--json"))
    assert "triplet-wide:margin=0.7" in json.dumps(found)


def test_its_tracker_was_told_to_the_end(run: Path) -> None:
    assert (run / "told.txt").read_text().splitlines()[-1].endswith(" finished")


def test_without_the_package_its_name_is_said(run: Path) -> None:
    for command in ("resume", "plot"):
        process = simo2(None, run.parents[1], command, "own")
        _, said = process.communicate(timeout=100)
        assert process.returncode == 2
        assert "is of the package own-parts, which is not installed here" in said
        assert said.count("\n") == 1
    listed, _ = simo2(None, run.parents[1], "runs", "--json").communicate(timeout=100)
    assert json.loads(listed.splitlines()[0])["state"] == "completed"
