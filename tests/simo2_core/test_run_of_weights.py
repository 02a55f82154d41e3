"""Pretrained weights as a run that has taken no step."""

import os
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from simo2_core.analysis.snapshot import read_snapshot, read_thumbnails
from simo2_core.checkpoints.checkpoint import Checkpoints, list_steps
from simo2_core.errors import CheckpointError, RunError
from simo2_core.evaluation.restore import load_encoder
from simo2_core.events import WeightsLoaded
from simo2_core.report.collect import collect
from simo2_core.report.page import render_page
from simo2_core.run.directory import RunDirectory
from simo2_core.run.event_file import read_events
from simo2_core.run.state import State
from simo2_core.run.summary import summarise
from simo2_core.session import run_of_weights
from tests.peers.compare import features_here, read_answers, write_weights

ANSWERS = read_answers(Path(__file__).parent / "golden" / "peers.json.xz")
NAME = "timm dinov2"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunDirectory]:
    """The folder of the weights, and the run beside it."""
    folder = write_weights(tmp_path_factory.mktemp("made") / "weights", ANSWERS[NAME])
    return folder, run_of_weights(str(folder), "digits", folder.parent / "runs", image_size=12)


def test_a_run_of_no_step_has_its_report(made: tuple[Path, RunDirectory]) -> None:
    folder, run = made
    Image.new("RGB", (4, 4)).save(run.plots / "pca.png")  # else it is drawn, which takes seconds
    page = render_page(collect(run))
    assert "step 0 of" in page
    assert "Nothing has been evaluated yet." in page
    assert "the weights are as they were; simo2 resume trains them" in page
    assert f"begins with the weights of {folder / 'model.safetensors'}" in page
    assert 'alt="pca"' in page


def test_weights_are_a_run_whose_encoder_gives_the_features_of_the_library(made: tuple[Path, RunDirectory]) -> None:
    folder, run = made
    assert run.name == "vit_small-digits"
    assert list_steps(run.checkpoints) == [0]
    assert run.config.data.mean == (0.485, 0.456, 0.406)
    told = next(event for event in read_events(run.events_path) if isinstance(event, WeightsLoaded))
    assert told.fresh == ("head/bias", "head/kernel")
    assert "encoder/positions" in told.loaded
    kinds = [event.kind for event in read_events(run.events_path)]
    assert kinds == ["run_started", "weights_loaded", "checkpoint_saved", "embedding_snapshot", "finished"]
    assert summarise(run).state is State.STOPPED
    snapshot, small = read_snapshot(run.embeddings / "0.npz"), read_thumbnails(run)
    assert snapshot.embedding.shape == (143, 16)
    assert small is not None
    assert small.shape == (143, 12, 12, 3)

    encoder = load_encoder(run.path)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 12, 12, 3), np.uint8)
    representation, projection = encoder.both(pixels)
    np.testing.assert_allclose(  # the head is the identity
        projection, representation / np.linalg.norm(representation, axis=1, keepdims=True), atol=1e-6
    )
    mean, std = (np.array(numbers, np.float32) for numbers in (run.config.data.mean, run.config.data.std))
    there = features_here(folder, (pixels.astype(np.float32) / 255 - mean) / std)
    np.testing.assert_allclose(representation, there, rtol=1e-4, atol=1e-4)

    assert run_of_weights(str(folder), "digits", run.path.parent, image_size=12).path == run.path
    os.utime(folder / "model.safetensors")  # others by now
    again = run_of_weights(str(folder), "digits", run.path.parent, image_size=12)
    assert again.name == "vit_small-digits-2"


def test_where_the_disk_refuses_no_run_is_left(
    made: tuple[Path, RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, run = made
    before = sorted(run.path.parent.iterdir())
    monkeypatch.setattr(Checkpoints, "save", Mock(side_effect=CheckpointError("no space left on device")))
    with pytest.raises(CheckpointError, match="no space"):
        run_of_weights(str(folder), "digits", run.path.parent, image_size=16)
    assert sorted(run.path.parent.iterdir()) == before


def test_a_run_is_no_weights(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="leave out --encoder"):
        run_of_weights("latest", "digits", tmp_path)
