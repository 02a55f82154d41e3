import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from typer.testing import CliRunner

from simo2_core.presets import PRESETS
from simo2_core.run.directory import RunDirectory
from simo2_tui.cli.finetune import tuned_config
from simo2_tui.cli.main import app
from tests import tiny
from tests.tiny import QUIET, options

TINY = options(tiny.TINY | QUIET)


def simo2(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [*words], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, no_pictures: None) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    code, _, said = simo2(
        "train", "--labels", "none", "--steps", "2", *TINY, "--run-dir", str(folder), "--name", "first", "--json"
    )
    assert code == 0, said
    return folder


@pytest.mark.slow
def test_a_run_is_fine_tuned_with_the_settings_of_supervised_training(runs: Path) -> None:
    code, out, _ = simo2("finetune", "first", "--run-dir", str(runs), "--name", "second", "--steps", "3", "--freeze",
                         "--labels-per-class", "4", "--samples-per-class", "3", "--json")  # fmt: skip
    result = json.loads(out.splitlines()[-1])
    assert code == 0
    assert 0 <= result["test"]["classifier"] <= 1
    assert result["test"]["bank"] == 40
    config = RunDirectory.open(runs / "second").config
    assert (config.objective.name, config.data.labels, config.get("label_smoothing")) == (
        "cross_entropy",
        "classes",
        0.1,
    )
    assert config.augment == PRESETS["digits"].config.augment, "no longer the views of training without labels"
    assert (config.tune.freeze, config.samples_per_class) == (True, 3)
    assert config.tune.init == str(runs / "first" / "checkpoints" / "2")


@pytest.mark.slow
def test_the_gain_over_scratch_is_one_command(runs: Path) -> None:
    code, out, _ = simo2(
        "finetune", "first", "--run-dir", str(runs), "--compare-scratch", "--seeds", "2", "--steps", "2", "--json"
    )
    assert code == 0
    test = json.loads(out.splitlines()[-1])["test"]
    assert test.keys() == {"pretrained", "from scratch"}
    for scores in test.values():
        assert scores.keys() == {"classifier", "knn_20", "raw"}
        assert all(0 <= score["mean"] <= 1 for score in scores.values())
    folder = runs / "first-tuned" / "runs"
    starts = [RunDirectory.open(folder / f"{arm}-s0").config.tune.init for arm in ("pretrained", "from_scratch")]
    assert starts[0] is not None
    assert starts[1] is None

    logs = [folder / f"{arm}-s1" / "events.jsonl" for arm in ("pretrained", "from_scratch")]
    (folder / "from_scratch-s1" / "outcome.json").unlink()
    logs[1].write_bytes(b"".join(logs[1].read_bytes().splitlines(keepends=True)[:3]))  # as if it had been killed there
    before = logs[0].stat().st_mtime_ns
    again = ("finetune", "first", "--run-dir", str(runs), "--compare-scratch", "--seeds", "2", "--json", "--steps")
    code, out, _ = simo2(*again, "2")
    assert (code, json.loads(out.splitlines()[-1])["test"]) == (0, test), "it goes on, and comes out the same"
    assert logs[0].stat().st_mtime_ns == before, "what was done is not done again"
    code, _, said = simo2(*again, "3")
    assert (code, "other settings" in said) == (2, True)


@pytest.mark.slow
def test_a_stopped_comparison_with_scratch_saves_and_says_how_to_go_on(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def ask_at_once(stop: Callable[[str], None], say: Callable[[str], None]) -> Iterator[None]:
        stop("signal SIGTERM")
        yield

    monkeypatch.setattr("simo2_tui.cli.finetune.listen", ask_at_once)
    code, out, said = simo2(
        "finetune", "first", "--run-dir", str(runs), "--compare-scratch", "--steps", "2", "--name", "stopped"
    )
    assert (code, out) == (130, "")
    assert said.splitlines()[-1] == (
        f"simo2: stopped; 0 of 6 runs are done, and what {runs / 'stopped'} has is saved. The same command goes on."
    )

    monkeypatch.undo()
    again = ("finetune", "first", "--run-dir", str(runs), "--compare-scratch", "--steps", "2", "--name", "stopped")
    code, _, said = simo2(*again, "--seeds", "2")
    assert (code, "with other settings: other seeds" in said) == (2, True)


@pytest.mark.slow
def test_weights_of_another_network_are_refused_and_leave_no_run(runs: Path) -> None:
    code, _, said = simo2("finetune", "first", "--run-dir", str(runs), "--name", "wider", "--widths", "16")
    assert code == 1
    assert "Use the --widths" in said
    assert not (runs / "wider").exists()


def test_what_contradicts_itself_is_refused(runs: Path) -> None:
    code, _, said = simo2("finetune", "first", "--run-dir", str(runs), "--compare-scratch", "--from-scratch")
    assert (code, "given together" in said) == (2, True)
    code, _, said = simo2("finetune", "first", "--run-dir", str(runs), "--compare-scratch", "--plain")
    assert (code, "--compare-scratch and --plain are given together" in said) == (2, True), said
    code, _, said = simo2("finetune", "first", "--run-dir", str(runs), "--seeds", "5")
    assert (code, "--seeds is 5, of --compare-scratch" in said) == (2, True)
    code, _, said = simo2("finetune", "first", "--run-dir", str(runs), "--plain", "--json")
    assert (code, "choose one of them" in said) == (2, True)
    code, _, said = simo2("finetune", "first", "--run-dir", str(runs), "--objective", "supcon")
    assert (code, "fine-tuning sets it itself" in said) == (2, True)
    code, _, said = simo2("finetune", "nothing", "--run-dir", str(runs))
    assert code != 0


@pytest.mark.slow
def test_weights_that_muon_trained_are_moved_gently(runs: Path, tmp_path: Path) -> None:
    def of(changes: dict[str, Any], **given: Any) -> tuple[float, float | None]:
        run = RunDirectory.open(copytree(runs / "first", tmp_path / "fast", dirs_exist_ok=True))
        run.write_config(run.config.replace({"optimizer": "muon", "learning_rate": 0.2, **changes}), {})
        config, weights = tuned_config("fast", tmp_path, None, given)
        assert weights["init"] == str(tmp_path / "fast" / "checkpoints" / "2")
        return config.optim.learning_rate, weights.get("learning_rate")

    assert of({}) == (0.2, 0.002), "from scratch, and with the weights"
    assert of({}, learning_rate=0.1) == (0.1, None)
    assert of({}, freeze=True) == (0.2, None), "the classifier has a rate of its own"
    assert of({"optimizer": "adamw", "learning_rate": 0.001}) == (0.001, None)
    tuned = {"objective": "cross_entropy", "labels": "classes", "init": "other"}
    assert of({**tuned, "freeze": True}, freeze=False)[1] is not None
    assert of({**tuned, "freeze": False, "learning_rate": 0.002}) == (0.002, None)


@pytest.mark.slow
def test_a_run_whose_objective_takes_no_labels_is_fine_tuned(tmp_path: Path, no_pictures: None) -> None:
    at = ("--run-dir", str(tmp_path))
    first = ("--objective", "simclr", "--labels", "none", *TINY[:-2], "--samples-per-class", "2", "--batch-size", "30")
    code, _, said = simo2("train", *first, "--steps", "1", *at, "--name", "views", "--json")
    assert code == 0, said
    config, _ = tuned_config("views", tmp_path, None, {})
    assert (config.objective.name, config.data.labels) == ("cross_entropy", "classes")
