"""`simo2 runs` and `simo2 runs diff`, on runs as training leaves them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simo2_core.presets import PRESETS
from simo2_core.run.directory import RunDirectory
from simo2_tui.cli.main import app
from tests.simo2_tui.recorded import write_run


def simo2(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    write_run(tmp_path, "first", finish="completed", upto=400)
    write_run(tmp_path, "second", upto=120, seed=7)
    RunDirectory.create(tmp_path, "third", PRESETS["cifar10"].config)
    (write_run(tmp_path, "torn", upto=8).path / "config.json").write_text("{")
    return tmp_path


def listed(*words: object) -> list[str]:
    code, out, _ = simo2("runs", *words, "--json")
    assert code == 0
    *rows, last = map(json.loads, out.splitlines())
    assert last == {"runs": len(rows)}
    return [row["name"] for row in rows]


def test_a_state_that_no_run_can_have_is_refused_where_there_is_no_run(tmp_path: Path) -> None:
    code, _, err = simo2("runs", "--run-dir", tmp_path, "--state", "runing")
    assert (code, err.count("\n")) == (2, 1)
    assert "no run is 'runing'; it can be running, preparing" in err
    assert simo2("runs", "--run-dir", tmp_path, "--state", "completed")[0] == 0


@pytest.mark.parametrize("words", [["runs", "--filter"], ["runs", "list", "--filter"]], ids=len)
def test_an_empty_value_before_a_command_of_a_group_is_refused_as_after_it(words: list[str], tmp_path: Path) -> None:
    for empty in ("", " "):
        code, _, err = simo2(*words, empty)
        assert (code, err) == (2, f"simo2: --filter is {empty!r}; give it a value, or leave it out.\n")
    assert simo2("runs", "list", "--run-dir", tmp_path, "--filter", "x")[0] == 0


@pytest.mark.parametrize("command", ["list", "diff"])
@pytest.mark.parametrize(
    "before", [["--run-dir", "there"], ["--json"], ["--sort", "name"], ["--filter", "x"], ["--state", "dead"]]
)
def test_an_option_before_a_command_of_the_group_is_refused(
    command: str, before: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    option = before[0]
    code, out, err = simo2("runs", *before, command, "a", "b")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"{option} is given before {command}, where it means nothing. Give it after {command}" in err
    monkeypatch.setenv("SIMO2_RUN_DIR", str(tmp_path))
    code, out, _ = simo2("runs", "list")
    assert (code, out.partition(" holds")[0]) == (0, str(tmp_path)), "what a variable says holds for all of them"


def test_every_run_has_a_row_a_damaged_one_too(runs: Path) -> None:
    code, out, err = simo2("runs", "--run-dir", runs)
    assert code == 0
    rows = {line.split()[-1]: line.split() for line in out.splitlines()[1:]}
    assert rows["first"][:2] == ["completed", "400/400"]
    assert rows["second"][:2] == ["dead", "120/400"]
    assert rows["third"][:3] == ["empty", "-", "-"]
    assert rows["torn"][0] == "damaged"
    assert "%" in rows["first"][3]
    assert rows["second"][3] == "-", "test was not read"
    assert err.count("\n") == 1
    assert "torn/config.json is damaged" in err


def test_sorted_and_filtered(runs: Path) -> None:
    at = ("--run-dir", runs)
    assert listed(*at, "--sort", "name") == ["first", "second", "third", "torn"]
    assert listed(*at, "--sort", "validation")[:2] == ["first", "second"]
    assert listed(*at, "--sort", "loss")[0] == "first"
    assert listed(*at, "--filter", "CIFAR") == ["third"]
    assert listed("list", *at, "--state", "completed") == ["first"]
    code, out, _ = simo2("runs", *at, "--filter", "nothing")
    assert (code, out) == (0, f"{runs} holds no such run (4 others).\n")
    for words, said in ((("--sort", "tset"), "Did you mean test"), (("--state", "complete"), "Did you mean completed")):
        code, _, err = simo2("runs", *at, *words)
        assert (code, said in err, err.count("\n")) == (2, True, 1)


def test_diff_says_what_differs_and_nothing_else(runs: Path) -> None:
    code, out, _ = simo2("runs", "diff", "first", "second", "--run-dir", runs, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["settings"] == {"seed": ["0", "7"]}
    assert found["environment"] == {}
    assert found["reached"]["step"] == ["400", "120"]
    code, out, _ = simo2("runs", "diff", "first", "third", "--run-dir", runs)
    assert "widths" in out
    assert "orth_lean" not in out
    code, _, err = simo2("runs", "diff", "first", "--run-dir", runs)
    assert (code, "two or more" in err) == (2, True)
    code, _, err = simo2("runs", "diff", "first", "torn", "--run-dir", runs)
    assert (code, err.count("\n")) == (1, 1)


def test_listing_loads_neither_jax_nor_textual(runs: Path) -> None:
    program = (
        "import sys\nfrom simo2_tui.cli.main import app\n"
        f"sys.argv = ['simo2', 'runs', '--run-dir', {str(runs)!r}]\n"
        "try: app()\nexcept SystemExit: pass\n"
        "sys.exit(str({'jax', 'textual', 'matplotlib'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].strip() == "", done.stderr
