"""Runs, checkpoints and a comparison that an older simo2 made still open, resume and are drawn.

`golden/runs-of-format-1.tar.xz` holds two runs of 8 steps and a comparison, made by the last version that wrote config
format 1, without their pictures and, of the comparison, without checkpoints:

    simo2 train --preset digits --widths 4,6 --stem-width 4 --samples-per-class 4 --batch-size 40 --eval-every 4
        --checkpoint-every 4 --plot-every never --keep 1 --dropout 0.1 --steps 8 --distance line --epsilon 0.01
    simo2 train … --objective supcon --temperature 0.2 --encoder resnet18 --widths 16,16 --norm batch --flip true
    simo2 compare … --steps 4 --objectives simo2,cross_entropy --seeds 2
"""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from simo2_core.analysis.course import read_course
from simo2_core.encoders.resnet18 import ResNet18
from simo2_core.evaluation.restore import load_encoder
from simo2_core.events import StepsLogged
from simo2_core.objectives.simo2 import Simo2
from simo2_core.objectives.supcon import SupCon
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import record
from simo2_core.run.summary import summarise
from simo2_core.train.trainer import train

NEXT = [777.9772, 597.45306, 510.98315, 501.13605]
"""The losses of steps 9 to 12 as the older simo2 went on with `--steps 12`."""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(Path(__file__).parent / "golden" / "runs-of-format-1.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def test_settings_and_results_are_read(old: Path) -> None:
    line, resnet = (RunDirectory.open(old / name) for name in ("simo2-line", "resnet"))
    assert line.config.objective == Simo2(
        distance="line", epsilon=0.01, pull=1.0, epsilon_start=None, negatives="slots"
    )
    assert line.config.get("widths") == (4, 6)
    assert resnet.config.objective == SupCon(temperature=0.2)
    assert resnet.config.model.encoder == ResNet18(widths=(16, 16), norm="batch")
    assert resnet.config.get("flip")
    for run in (line, resnet):
        summary = summarise(run)
        assert (str(summary.state), summary.step) == ("completed", 8)
        assert summary.test_knn is not None
    course = read_course(line)
    assert course is not None
    assert course.steps[-1] == 8


@pytest.mark.parametrize("name", ["simo2-line", "resnet"])
def test_the_encoder_gives_what_it_gave(old: Path, name: str) -> None:
    run = RunDirectory.open(old / name)
    encoder = load_encoder(run.path)
    with np.load(run.embeddings / "8.npz") as snapshot:
        then = snapshot["embedding"]
    from simo2_core.data.load import load_dataset

    validation = load_dataset(run.config.data).validation
    np.testing.assert_allclose(encoder.embed(validation.gather()), then, atol=1e-3)


def test_a_run_goes_on_as_it_would_have(old: Path) -> None:
    run = RunDirectory.open(old / "simo2-line")
    config = run.config.replace({"steps": 12})
    events = list(record(train(config, run, Control(), pictures=False), run))
    losses = [loss for event in events if isinstance(event, StepsLogged) for loss in event.total]
    assert losses == pytest.approx(NEXT, rel=1e-3), "another processor rounds otherwise; another draw is far away"
