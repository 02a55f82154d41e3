from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simo2_core.analysis.plots.reconstructions import MOST, draw_reconstructions
from simo2_core.analysis.plots.style import Caption
from simo2_core.data.load import load_dataset
from simo2_core.errors import RunError
from simo2_core.evaluation.pictures import reconstruct
from simo2_core.evaluation.restore import load_encoder, locate
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.train.trainer import train
from tests.tiny import DIGITS, QUIET

TINY = DIGITS.replace(QUIET | {"steps": 3})


def test_an_autoencoder_gives_images_back_and_its_encoder_is_one_like_any_other(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "one", TINY.replace({"objective": "autoencoder"}))
    for _ in train(run.config, run, Control(run.control), pictures=False):
        pass
    images = load_dataset(TINY.data).validation.gather()[: MOST + 3]
    checkpoint = locate("one", tmp_path)
    shown, back = reconstruct(checkpoint, images)
    assert shown.shape == back.shape == images.shape
    assert 0.03 < float(np.abs(shown - images / 255).mean()) < 0.3, "noise, but not only noise"
    assert load_encoder(checkpoint).embed(images).shape == (MOST + 3, 16)
    path = draw_reconstructions(tmp_path / "x.png", images, shown, back, Caption("digits", 3, MOST))
    with Image.open(path) as picture:
        assert picture.width > picture.height > 300


def test_an_objective_without_a_decoder_gives_nothing_back(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "two", TINY)
    for _ in train(TINY, run, Control(run.control), pictures=False):
        pass
    with pytest.raises(RunError, match="reconstructs nothing"):
        reconstruct(locate("two", tmp_path), np.zeros((1, 8, 8, 1), np.uint8))
