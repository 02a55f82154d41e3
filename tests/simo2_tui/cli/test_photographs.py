"""Every command on 500 real photographs.

They are taken from CIFAR-10 as train/CLASS/*.jpg and test/CLASS/*.jpg: the folder that SIMO2_CIFAR10 names, or the
archive ../shared/data/cifar10-jpeg.tgz beside the checkout. Without either these tests are left out.
"""

import json
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from simo2_core import load_encoder
from simo2_tui.cli.main import app

CIFAR10 = os.environ.get("SIMO2_CIFAR10", "")
ARCHIVE = Path(__file__).parents[3].parent / "shared" / "data" / "cifar10-jpeg.tgz"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PER_CLASS = {"train": 40, "test": 10}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CIFAR10 and not ARCHIVE.exists(), reason=f"SIMO2_CIFAR10 is not set, {ARCHIVE} is not there"
    ),
]

TINY = ["--widths", "8", "--stem-width", "4", "--samples-per-class", "4", "--batch-size", "40", "--steps", "6",
        "--eval-every", "3", "--plot-every", "never"]  # fmt: skip


def simo2(*words: str) -> dict[str, object]:
    done = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


def write_photographs(folder: Path) -> None:
    wanted = {f"{split}/{name}/{i:04d}.jpg" for split, few in PER_CLASS.items() for name in CLASSES for i in range(few)}
    for path in wanted:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if CIFAR10:
            shutil.copy(Path(CIFAR10) / path, folder / path)
    if CIFAR10:
        return
    with tarfile.open(ARCHIVE, "r|gz") as archive:  # as a stream: it is read once, in 2 s
        for item in archive:
            content = archive.extractfile(item) if item.name in wanted else None
            if content is not None:
                (folder / item.name).write_bytes(content.read())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, no_pictures: None) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    write_photographs(folder / "images")
    result = simo2(
        "train", "--dataset", str(folder / "images"), *TINY, "--run-dir", str(folder / "runs"), "--name", "one"
    )
    assert result["reason"] == "completed"
    return folder / "runs"


def test_they_are_evaluated(runs: Path) -> None:
    result = simo2("eval", "one", "--run-dir", str(runs))
    assert result["images"] == {"train": 360, "validation": 40, "test": 100}
    assert result["scores"]["representation"].keys() >= {"knn_20", "linear_probe", "nc1"}  # type: ignore[index]


def test_they_are_fine_tuned(runs: Path) -> None:
    result = simo2("finetune", "one", "--run-dir", str(runs), "--name", "two", "--freeze", "--steps", "4")
    assert 0 <= result["test"]["classifier"] <= 1  # type: ignore[index]


def test_they_are_embedded_and_the_encoder_exported(runs: Path, tmp_path: Path) -> None:
    result = simo2("embed", "one", "--run-dir", str(runs), "--out", str(tmp_path / "one.npz"))
    assert result["images"] == {"train": 360, "validation": 40, "test": 100}
    with np.load(tmp_path / "one.npz") as file:
        for id, label in zip(file["id"], file["label"], strict=True):
            assert (runs.parent / "images" / id).parent.name == file["class_names"][label]
        first = str(file["id"][0])
        features = file["representation"][0]
    simo2("export", "one", "--run-dir", str(runs), "--out", str(tmp_path / "encoder"))
    image = np.asarray(Image.open(runs.parent / "images" / first))[None]
    np.testing.assert_allclose(load_encoder(tmp_path / "encoder").represent(image)[0], features, rtol=1e-4, atol=1e-5)


def test_they_are_drawn_listed_reported_and_told(runs: Path, tmp_path: Path) -> None:
    of_images = ("neighbours", "augmentation", "filters")  # the others are drawn of numbers, whatever these are of
    result = simo2("plot", "one", "--run-dir", str(runs), "--kinds", ",".join(("curves", *of_images)))
    assert {Path(path).stem for path in result["plots"]} == {"curves", *of_images}  # type: ignore[attr-defined]
    page = Path(str(simo2("report", "one", "--run-dir", str(runs))["report"])).read_text()
    assert all(f">{name}<" in page for name in of_images)
    assert int(str(simo2("runs", "--run-dir", str(runs), "--filter", "one")["runs"])) == 1
    pytest.importorskip("tensorboard")
    assert int(str(simo2("log", "one", "--run-dir", str(runs), "--tensorboard", str(tmp_path))["events"])) > 4


@pytest.mark.skipif(not CIFAR10, reason="four trainings: only with the folder that SIMO2_CIFAR10 names")
def test_objectives_are_compared_on_them(runs: Path) -> None:
    images = str(runs.parent / "images")
    result = simo2("compare", "--dataset", images, *TINY, "--objectives", "simo2,simo2-views", "--seeds", "2",
                   "--run-dir", str(runs))  # fmt: skip
    assert result["diverged"] == {"simo2": 0, "simo2-views": 0}
