import json
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from simo2_core.commands import Reason
from simo2_core.compare.carry_out import carry_out
from simo2_core.compare.outcome import Outcome
from simo2_core.compare.pictures import GEOMETRY, WORTH, draw_comparison
from simo2_core.compare.plan import PlannedRun, make_plan
from simo2_core.compare.results import cells
from simo2_core.config import Config
from simo2_core.errors import RunError
from simo2_core.events import CheckpointSaved, Evaluated, Event, Planned, RunFinished, RunStarted
from simo2_core.presets import PRESETS
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_tui.cli.compare import _in_pieces, _progress, table_lines
from simo2_tui.cli.main import app
from tests import tiny
from tests.simo2_tui.recorded import evaluated, started
from tests.tiny import options

TINY = [*options(tiny.TINY), "--steps", "6", "--eval-every", "3", "--seeds", "2"]


def compare(run_dir: Path, *more: str) -> tuple[int, list[dict], str]:
    done = CliRunner().invoke(
        app, ["compare", "--run-dir", str(run_dir), "--name", "two", "--json", *TINY, *more], catch_exceptions=False
    )
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.mark.slow
def test_a_comparison_from_end_to_end_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = ["--labels-per-class", "10"]  # of 130: five runs are measured, and most of it is fitting probes
    arms = ["--objectives", "simo2,cross_entropy", "--sweep", "lr=0.01", *few]
    code, lines, _ = compare(tmp_path, *arms)
    assert code == 0
    assert [(line["arm"], line["trial"]) for line in lines[:3]] == [
        ("simo2", True),
        ("cross_entropy", True),
        ("simo2", False),
    ]
    result = lines[-1]
    assert result["results"]["representation"]["simo2"]["knn_20"]["runs"] == 2
    assert result["chosen"].keys() == {"simo2", "cross_entropy"}
    for path in result["files"]:
        if path.endswith("png"):
            with Image.open(path) as picture:
                assert picture.width > 400
    log = tmp_path / "two" / "runs" / "trial-simo2-s1000-0.01" / "events.jsonl"
    assert '"split":"test"' not in log.read_text(), "a trial does not look at test"
    # one run is lost: it alone is done again, and comes out the same
    (tmp_path / "two" / "runs" / "simo2-s1" / "outcome.json").unlink()
    before = log.stat().st_mtime_ns
    monkeypatch.setattr("simo2_core.compare.pictures.draw_comparison", lambda *_: [])  # they were looked at above
    code, again, _ = compare(tmp_path, *arms, "--devices", "1")
    assert (code, log.stat().st_mtime_ns) == (0, before)
    known = [{**one["results"]["representation"]["simo2"]["knn_20"]} for one in (result, again[-1])]
    assert known[0] == known[1]
    code, _, said = compare(tmp_path, "--objectives", "simo2,supcon", "--devices", "1", *few)
    assert code == 2
    assert "Give another --name" in said


def test_a_stop_says_what_is_done_and_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    asked.set()
    monkeypatch.setattr("simo2_core.compare.carry_out.make_stop", lambda devices: asked)
    before = signal.getsignal(signal.SIGTERM)
    code, lines, said = compare(tmp_path, "--objectives", "simo2", "--devices", "1")
    assert (code, lines) == (130, [])
    assert "0 of 2 runs are done, and what the others have is saved. The same command with --name two goes on." in said
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_comparison_of_which_every_run_diverged_ends_as_one_run_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(folder: Path, jobs: Sequence[PlannedRun], *_: object) -> Iterator[Outcome]:
        for job in jobs:
            yield Outcome(job.arm, job.config.seed, None, 0, True, 0.0, 1.0, (), {})

    monkeypatch.setattr("simo2_core.compare.carry_out.carry_out_all", diverge)
    code, lines, said = compare(tmp_path, "--objectives", "simo2", "--devices", "1")
    assert code == 3
    assert [line["event"] for line in lines] == ["run_measured", "run_measured", "result"]
    assert lines[-1]["files"] == [str(tmp_path / "two" / "results.json")]
    assert f"every run of {tmp_path / 'two'} diverged. Give another --name" in said
    assert said.count("\n") == 1


def test_a_log_is_told_what_comes_and_its_lines_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    plan = make_plan(PRESETS["digits"].config, ["simo2:pull=balanced:epsilon_start=1:same_bias=0.25"], [], 2, "lr=0.01")
    [trial], [job, _] = plan.trials(), plan.runs({plan.arms[0].name: 0.01})
    start = RunStarted(
        step=0, run="r", steps=400, parameters=1, class_names=("0",), classes_per_batch=10, samples_per_class=16,
        embedding_size=16, train_images=1, validation_images=1, test_images=1, device="cpu", raw_pixels_knn=0.5,
    )  # fmt: skip
    seen = Evaluated(
        step=50, split="validation", images=1, bank=1, knn_representation=0.5, knn_projection=0.5, knn_raw_pixels=0.5,
        effective_rank=1.0, same_class_cosine=1.0, different_class_cosine=0.0, largest_class_cosine=0.0, seconds=0.1,
    )  # fmt: skip
    with _progress(plan, 3, as_json=False) as (tell, done):
        tell(trial, start)
        tell(job, replace(start, step=200))
        tell(job, seen)
        tell(job, replace(seen, step=400))  # told by the line of the finished run
        tell(job, RunFinished(step=400, reason=Reason.COMPLETED, message="", checkpoint="", seconds={}))
        done(Outcome(job.arm, 0, 0.01, 400, False, 0.75, 1.0, (), {}), False)
    name = plan.arms[0].name
    assert capsys.readouterr().err.splitlines() == [
        f"{name} with learning_rate 0.01, seed 1000: trains, 400 steps",
        f"{name}, seed 0: trains, from step 200 of 400",
        f"{name}, seed 0: step 50: validation kNN@20 50.00%",
        f"{name}, seed 0: trained; is measured on test",
        f"{name}, seed 0: validation kNN@20 75.00%",
    ]


@pytest.mark.parametrize("reason", ["interrupted", "stopped"])
def test_a_run_that_was_stopped_before_its_end_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    asked = threading.Event()
    asked.set()
    sent: list[object] = []

    def train(config: Config, run: RunDirectory, control: Control, dataset: None, *, pictures: bool) -> Iterator[Event]:
        yield CheckpointSaved(step=2, path="checkpoints/2", best=False, seconds=0)
        sent.extend(command.command for command in control.take())
        yield RunFinished(step=3, reason=Reason[reason.upper()], message="", checkpoint="checkpoints/2", seconds={})

    monkeypatch.setattr("simo2_core.train.trainer.train", train)
    job = make_plan(PRESETS["digits"].config, ["simo2"], [], 2, None).runs({})[0]
    assert carry_out(tmp_path, job, lambda *_: None, asked) is None
    assert sent == ["stop"]
    assert not (tmp_path / "runs" / job.name / "outcome.json").exists()


def test_the_outcome_of_another_run_is_refused(tmp_path: Path) -> None:
    job = make_plan(PRESETS["digits"].config, ["simo2"], [], 2, None).runs({})[0]
    folder = tmp_path / "runs" / job.name
    folder.mkdir(parents=True)
    Outcome(
        arm="supcon", seed=0, value=None, step=1, diverged=True, validation=0.0, seconds=1.0, course=(), scores={}
    ).write(folder)
    with pytest.raises(RunError, match="is of another run, supcon with seed 0"):
        carry_out(tmp_path, job, lambda *_: None, threading.Event())


def test_the_tables_have_a_column_for_each_number_that_is_shown(tmp_path: Path) -> None:
    plan = make_plan(PRESETS["digits"].config, ["simo2", "supcon"], [], 2, None)
    keys = {key for _, key in (*WORTH, *GEOMETRY)}
    scores = [dict.fromkeys(("representation", "projection"), dict.fromkeys(keys, 0.25 + s / 100)) for s in (0, 1)]
    outcomes = [
        Outcome(arm=arm.name, seed=seed, value=None, step=1, diverged=False, validation=0.0, seconds=1.0,
                course=((1, 1.0, 0.5),), scores=scores[seed])
        for arm in plan.arms for seed in plan.seeds
    ]  # fmt: skip
    tables = {name: cells(plan, outcomes, name) for name in ("representation", "projection")}
    lines = table_lines(plan, {}, tables, {"knn_20": 0.5}, {})
    assert max(map(len, lines)) < 80
    tabled = "\n".join(lines)
    for words in ("class means", "p:kNN@20", "p:by r", "mAP@R", "max|cos|", "opposite", "rank inside", "right angle"):
        assert tabled.count(words) == 1
    rows = [line.split() for line in lines if line.startswith("supcon")]
    assert sum(len(row) - 1 for row in rows) == len(WORTH) + len(GEOMETRY)
    assert not any("-" in row for row in rows), "every number has its column"
    draw_comparison(tmp_path, plan, outcomes)


def test_a_table_of_long_names_is_cut_into_pieces_that_fit_80_columns() -> None:
    arms = ("simo2:labels=none:samples_per_class=16", "supcon")
    rows = {arm: [f"{column}.{row}±0.25*" for column in range(10, 17)] for row, arm in enumerate(arms)}
    heads = [f"of {column}" for column in range(10, 17)]
    lines = [line for line in _in_pieces("", heads, rows) if line]
    assert max(map(len, lines)) < 80
    assert [line.split()[0] for line in lines] == ["of", *arms] * 3
    for row, arm in enumerate(arms):
        shown = [cell for line in lines if line.startswith(arm) for cell in line.split()[1:]]
        assert shown == rows[arm], row
    assert len({line.rindex("±") for line in lines[1:3]}) == 1, "numbers stand below each other"
    wide = _in_pieces("", ["one"], {"x" * 90: ["1"]})
    assert wide[1].split() == ["x" * 90, "1"], "a name wider than that has its column all the same"


def test_what_cannot_be_compared_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    code, _, said = compare(tmp_path, "--objectives", "simo2,supkon")
    assert code == 2
    assert "Did you mean supcon" in said
    assert not list(tmp_path.iterdir())


def test_a_run_for_a_time_is_told_in_minutes_until_its_steps_are_planned(capsys: pytest.CaptureFixture[str]) -> None:
    plan = make_plan(PRESETS["digits"].config.replace({"minutes": 5.0}), ["simo2"], [], 2, None)
    job, _ = plan.runs({})
    begun = replace(started(RunDirectory(Path("r")), 1 << 17), seconds_left=300.0)
    with _progress(plan, 2, as_json=False) as (tell, _):
        tell(job, begun)
        tell(job, replace(evaluated(500, 0.5), knn_representation=0.5))
        tell(job, Planned(step=501, steps=900, seconds_left=200.0))
        tell(job, replace(evaluated(800, 0.5), knn_representation=0.75))
        tell(job, evaluated(900, 1.0))
    assert capsys.readouterr().err.splitlines() == [
        "simo2, seed 0: trains, 5 minutes",
        "simo2, seed 0: step 500: validation kNN@20 50.00%",
        "simo2, seed 0: step 800: validation kNN@20 75.00%",
    ]
