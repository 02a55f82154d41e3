"""`simo2 embed` and `simo2 export` as a user runs them, on a run of digits."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from simo2_core import load_encoder
from simo2_core.data.sources.digits import load_digits
from simo2_tui.cli.main import app
from tests.simo2_tui.cli.test_train import TINY

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_pictures")]


def simo2(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [*words], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def test_what_is_written_is_what_the_encoder_makes_of_each_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = simo2("train", *TINY, "--steps", "4", "--name", "one", "--json")
    assert code == 0, err
    code, out, _ = simo2("embed", "one", "--out", "here/digits.npz", "--parts", "test,validation", "--json")
    assert (code, json.loads(out)["images"]) == (0, {"test": 359, "validation": 143})
    assert json.loads(out)["run"] == "runs/one"
    code, out, _ = simo2("export", "one", "--out", "encoder")
    assert (code, out.splitlines()[-1]) == (0, "Written: encoder/encoder.safetensors, encoder/encoder.json")
    with np.load("here/digits.npz") as file:
        places = file["id"].astype(int)
        assert set(file["part"]) == {"validation", "test"}
        images, labels = load_digits()
        np.testing.assert_array_equal(file["label"], labels[places])
        made = load_encoder("encoder").embed(images[places])
        np.testing.assert_allclose(file["projection"], made, atol=1e-6)

    code, _, err = simo2("embed", "one", "--out", "digits.csv")
    assert (code, err.count("\n")) == (2, 1)
    code, _, err = simo2("embed", "one", "--out", "digits.npz", "--parts", "tset")
    assert (code, "'tset' is no part" in err) == (2, True)
    code, out, _ = simo2("embed", "one", "--out", "board")
    assert out.endswith("See them: tensorboard --logdir board\n")
