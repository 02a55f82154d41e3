"""`simo2 eval` on checkpoints of digits and on a folder of images; `tests/test_own_parts.py` has a process of it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simo2_tui.cli.main import app
from tests.simo2_core.data.pictures import encoded, picture
from tests.simo2_tui.cli.test_train import TINY

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_pictures")]


def simo2(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [*words], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def test_two_checkpoints_and_another_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    steps = ["--steps", "20", "--checkpoint-every", "10"]
    code, _, err = simo2("train", *TINY, *steps, "--name", "one", "--json")
    assert code == 0, err
    code, out, err = simo2("eval", "runs/one/checkpoints/10", "one", "--out", "both", "--json")
    assert (code, err) == (0, "")
    *lines, last = map(json.loads, out.splitlines())
    measured = [line for line in lines if line["event"] == "run_measured"]
    first, second = (line["scores"]["projection"]["knn_20"]["value"] for line in measured)
    both = last["scores"]["projection"]["knn_20"]
    assert both["mean"] == pytest.approx((first + second) / 2, abs=1e-6)
    assert both["std"] == pytest.approx(abs(first - second) / 2**0.5, abs=1e-6)
    assert last["metrics"]["linear_probe"]["split"] == "test"
    assert json.loads((tmp_path / "both" / "eval.json").read_text())["checkpoints"] == last["checkpoints"]
    for step, line in zip(("10", "20"), measured, strict=True):
        folder = tmp_path / "runs" / "one" / "eval" / step
        assert json.loads((folder / "eval.json").read_text())["scores"] == line["scores"]
        assert {"eval.png", "confusion.png"} < {path.name for path in folder.iterdir()}

    for name, first_picture in (("cat", 0), ("dog", 100)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(12):
            (tmp_path / "pets" / name / f"{i}.jpg").write_bytes(encoded(picture(first_picture + i), "JPEG"))
    code, out, err = simo2("eval", "one", "--data", "./pets", "--out", "here")
    assert (code, err) == (0, "")
    for words in ("linear probe", "NC4", "silhouette", "precision", "nothing is chosen on test", " cat ", " dog "):
        assert words in out
    assert max(map(len, out.split("Written")[0].splitlines())) <= 80
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["confusion.png", "eval.json", "eval.png"]
    result = json.loads((tmp_path / "here" / "eval.json").read_text())
    assert result["data"] == "pets"
    assert "way_5_shot_1" not in result["scores"]["projection"], "two classes make no five"
    assert out.split("5-way 1-shot")[1].split()[:5] == ["–"] * 5
