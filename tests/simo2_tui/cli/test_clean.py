"""`simo2 clean` as a user runs it, on a run whose encoder sees the pixels."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from simo2_core.data.load import load_dataset
from simo2_core.data_config import DataConfig
from simo2_core.errors import RunError
from simo2_tui.cli import clean
from simo2_tui.cli.main import app
from tests.simo2_core.clean.doubtful import LEAK, MISLABELLED, OUTLIER, Doubtful, make_doubtful


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Doubtful:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIMO2_CACHE", str(tmp_path / "cache"))
    return make_doubtful(tmp_path, monkeypatch)


def simo2(*words: str) -> tuple[int, str, str]:
    done = CliRunner(env={"COLUMNS": "100"}).invoke(app, [*words], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def test_what_is_found_is_printed_and_drawn(made: Doubtful) -> None:
    code, out, err = simo2("clean", "one")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].endswith("7: set, 48 images of 3 classes")
    assert lines[1].split()[:4] == ["labels", "it", "agrees", "with"]
    assert lines[2].split() == ["labels", "likely", "wrong", "3", "6.2%", "of", "the", "images"]
    assert [line.split() for line in lines[3:5]] == [["2", "emu", "→", "cat"], ["1", "cat", "→", "dog"]]
    assert "pairs of near-duplicates" in out
    assert any(line.split()[:2] == ["1", "across"] and line.endswith("test") for line in lines)
    assert "was trained on the labels of train" in out
    sheet = made.run.path / "eval" / "7" / "clean.png"
    assert lines[-1] == f"Written: {sheet.relative_to(Path.cwd())}"
    with Image.open(sheet) as picture:
        assert min(picture.size) > 500


def test_an_encoder_that_does_not_know_the_classes_is_not_believed(
    made: Doubtful, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = simo2("clean", "one")[1]
    agreed = int(out.splitlines()[1].split()[4])
    assert 40 < agreed < 48
    assert "hardly knows" not in out
    monkeypatch.setattr(clean, "_KNOWS", (agreed + 1) / 48)
    assert "hardly knows these classes" in " ".join(simo2("clean", "one")[1].split())


def test_the_table_is_a_data_set(made: Doubtful, tmp_path: Path) -> None:
    code, out, _ = simo2("clean", "one", "--out", "doubted.csv", "--json")
    assert code == 0
    told = json.loads(out.splitlines()[-1])
    assert told["files"] == ["doubted.csv", "doubted.png"]
    assert (told["labels_doubted"], told["duplicate_pairs"], told["across_parts"], told["outliers"]) == (3, 2, 1, 1)
    rows = Path("doubted.csv").read_text().splitlines()
    assert rows[0] == "path,label,split,suggested,score,kind,duplicate_of"
    for path, right in MISLABELLED.items():
        cells = next(row.split(",") for row in rows if row.startswith(f"set/{path},"))
        assert (cells[3], cells[5]) == (right, "label")
    assert any(row.startswith(f"set/{LEAK[1]},dog,test,dog,") and row.endswith(f",leak,set/{LEAK[0]}") for row in rows)
    assert any(row.startswith(f"set/{OUTLIER},") and "outlier" in row for row in rows)

    assert simo2("clean", "one", "--out", "all.jsonl", "--all")[0] == 0
    data = load_dataset(DataConfig(dataset="all.jsonl", label_key="suggested", image_size=16), workers=0)
    assert [len(data.train) + len(data.validation), len(data.test)] == [36, 12]
    found = next(json.loads(line) for line in Path("all.jsonl").read_text().splitlines() if "cat/5.png" in line)
    assert (found["label"], found["suggested"], found["kind"]) == ("cat", "dog", "label")


def test_files_that_are_there_are_kept_unless_it_is_asked(made: Doubtful) -> None:
    Path("mine.csv").write_text("mine")
    code, _, err = simo2("clean", "one", "--out", "mine.csv")
    assert (code, err.count("\n")) == (2, 1)
    assert "mine.csv is there already. Name another with --out, or write over it with --overwrite." in err
    assert Path("mine.csv").read_text() == "mine"
    assert simo2("clean", "one", "--out", "mine.csv", "--overwrite")[0] == 0
    assert Path("mine.csv").read_text().startswith("path,")
    assert simo2("clean", "one")[0] == simo2("clean", "one")[0] == 0, "its own picture in the run's folder is its own"


def test_what_does_not_go_together_is_one_line(made: Doubtful) -> None:
    for words, said in (
        (["--all"], "--all is for --out"),
        (["--overwrite"], "--overwrite is for --out"),
        (["--out", "x.xlsx"], "it must end in .csv"),
        (["--image-size", "32"], "--image-size is for --encoder"),
    ):
        code, out, err = simo2("clean", "one", *words)
        assert (code, out, err.count("\n")) == (2, "", 1), words
        assert said in err
    code, _, err = simo2("clean", "two")
    assert (code, err.count("\n")) == (1, 1)


def test_a_table_that_lies_elsewhere_says_so(made: Doubtful) -> None:
    code, out, _ = simo2("clean", "one", "--out", "elsewhere/x.csv")
    assert code == 0
    assert "Not all images lie below the folder of elsewhere/x.csv" in out


def test_what_was_found_is_said_where_nothing_can_be_written(made: Doubtful, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RunError("no room left while writing x.csv.")

    monkeypatch.setattr("simo2_core.clean.table.write_into", refuse)
    code, out, err = simo2("clean", "one", "--out", "x.csv", "--json")
    assert (code, err) == (1, "simo2: no room left while writing x.csv.\n")
    told = json.loads(out.splitlines()[-1])
    assert (told["labels_doubted"], told["files"]) == (3, [])
