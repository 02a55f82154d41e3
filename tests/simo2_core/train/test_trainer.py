import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simo2_core.checkpoints.checkpoint import find_checkpoint, load, read_meta
from simo2_core.config import Config
from simo2_core.data.load import load_dataset
from simo2_core.errors import CheckpointError, ConfigError, DivergedError, RunError
from simo2_core.evaluation.evaluate import Evaluation, evaluate
from simo2_core.evaluation.restore import load_encoder, locate
from simo2_core.events import (
    CheckpointSaved,
    Compiled,
    ControlApplied,
    EmbeddingSnapshot,
    Evaluated,
    Event,
    Planned,
    RunFinished,
    RunStarted,
    StepsLogged,
    WarningRaised,
)
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import record
from simo2_core.run.summary import summarise
from simo2_core.train.environment import write_settings
from simo2_core.train.trainer import train
from tests.tiny import DIGITS, QUIET

TINY = DIGITS.replace(QUIET | {"steps": 12, "learning_rate": 1e-2})


def _run(tmp_path: Path, name: str, config: Config) -> tuple[RunDirectory, Control, Iterator[Event]]:
    """Without pictures, which take seconds: `simo2_tui/cli/test_train.py` has them."""
    run = RunDirectory.create(tmp_path, name, config)
    control = Control(run.control)
    return run, control, record(train(config, run, control, pictures=False), run)


def _totals(run: RunDirectory) -> dict[int, float]:
    steps = [event for event in run.events() if isinstance(event, StepsLogged)]
    pairs = [(event.step + i, total) for event in steps for i, total in enumerate(event.total)]
    assert len(dict(pairs)) == len(pairs), "a step is told once"
    return dict(pairs)


def _state(run: RunDirectory, step: int) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    return load(find_checkpoint(run.checkpoints, str(step)))[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDirectory, list[Event]]:
    config = TINY.replace({"eval_every": "5", "checkpoint_every": "6", "patience_on": "loss"})
    run, _, events = _run(tmp_path_factory.mktemp("runs"), "whole", config)
    return run, list(events)


def test_a_run_ends_when_validation_rises_no_more_and_reads_test_with_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {4: 0.5, 8: 0.7, 12: 0.6, 16: 0.65}
    real = evaluate

    def scored(*args: Any, **options: Any) -> Evaluation:
        found = real(*args, **options)
        score = scores.get(found.event.step, 0.1) if found.event.split == "validation" else 0.123
        return replace(found, event=replace(found.event, knn_representation=score))

    monkeypatch.setattr("simo2_core.train.training.evaluate", scored)
    config = TINY.replace(
        {"steps": 40, "eval_every": "4", "checkpoint_every": "10", "patience": 2, "average": 0.5}  # 10 does not count
    )
    run, control, events = _run(tmp_path, "settles", config)
    seen = []
    for event in events:
        seen.append(event)
        if isinstance(event, Evaluated) and event.step == 12:
            control.send("stop", "test")
    assert seen[-1].reason == "stopped"  # type: ignore[attr-defined]
    assert [event.step for event in seen if isinstance(event, CheckpointSaved)] == [4, 8, 10, 16]
    again = list(record(train(config, run, Control(run.control), pictures=False), run))
    finished = again[-1]
    assert isinstance(finished, RunFinished)
    assert (finished.step, finished.reason, finished.reason.exit_code) == (16, "settled", 0)
    assert finished.message.startswith("kNN has not risen for 2 evaluations: the best was 70.00% at step 8")
    [test] = [event for event in again if isinstance(event, Evaluated) and event.split == "test"]
    assert test.step == 8
    assert find_checkpoint(run.checkpoints, "best").name == "8"
    assert summarise(run).state.done
    assert locate("settles", tmp_path).name == "8", "what is measured and exported later is what test was read with"
    run.config_path.unlink()
    assert locate("settles", tmp_path).name == "16"
    expected = real(load_encoder(run.checkpoints / "8"), load_dataset(config.data), "test", 8).event
    assert test.effective_rank == pytest.approx(expected.effective_rank, rel=1e-4)


def test_a_run_that_waits_from_now_on_begins_to_count_with_the_best_that_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, real = {4: 0.9, 6: 0.4, 8: 0.5, 12: 0.6}, evaluate

    def scored(*args: Any, **options: Any) -> Evaluation:
        found = real(*args, **options)
        return replace(found, event=replace(found.event, knn_representation=scores.get(found.event.step, 0.3)))

    monkeypatch.setattr("simo2_core.train.training.evaluate", scored)
    run, _, events = _run(tmp_path, "later", TINY.replace({"eval_every": "4", "checkpoint_every": "6"}))
    assert [event.step for event in events if isinstance(event, CheckpointSaved)] == [6, 12]
    config = run.config.replace({"steps": 40, "patience": 2})
    again = list(record(train(config, run, Control(run.control), pictures=False), run))
    finished, scored_by = (
        again[-1],
        [event for event in again if isinstance(event, Evaluated) and event.split == "test"],
    )
    assert isinstance(finished, RunFinished)
    assert (finished.step, finished.reason) == (20, "settled"), "not at once, though step 4 was better than any since"
    assert finished.message.startswith("kNN has not risen for 2 evaluations: the best was 60.00% at step 12")
    assert [event.step for event in scored_by] == [12], "step 4 is on no disk"


def test_a_settled_run_whose_best_state_cannot_be_tested_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = evaluate

    def scored(encoder: Any, data: Any, split: str, *args: Any, **options: Any) -> Evaluation:
        if split == "test":
            raise DivergedError("not finite")
        found = real(encoder, data, split, *args, **options)
        return replace(found, event=replace(found.event, knn_representation=1 / (1 + found.event.step)))

    monkeypatch.setattr("simo2_core.train.training.evaluate", scored)
    run, _, events = _run(tmp_path, "untested", TINY.replace({"eval_every": "3", "patience": 1}))
    with pytest.raises(DivergedError, match="not finite"):
        list(events)
    *_, last = run.events()
    assert isinstance(last, RunFinished)
    assert last.reason == "diverged"


def test_a_run_for_a_time_plans_its_steps_and_goes_on_within_it(tmp_path: Path) -> None:
    config = TINY.replace({"minutes": 0.04, "schedule": "linear"})
    run, control, events = _run(tmp_path, "timed", config)
    seen: list[Event] = []
    for event in events:
        seen.append(event)
        if isinstance(event, Planned):
            control.send("stop", "test")
    assert isinstance(seen[-1], RunFinished)
    [planned, *_] = [event for event in seen if isinstance(event, Planned)]
    assert run.config.steps == planned.steps > 12, "what was planned is what the run has"
    again = list(record(train(run.config, run, Control(run.control), pictures=False), run))
    assert isinstance(again[0], RunStarted)
    assert (again[0].step, again[0].steps) == (seen[-1].step, planned.steps)
    finished = again[-1]
    assert isinstance(finished, RunFinished)
    assert finished.reason == "completed"
    assert finished.step == run.config.steps
    assert " of 0.04 minutes" in finished.message
    spent = read_meta(run.checkpoints / str(finished.step))["spent"]
    assert 2.0 < spent < 30, "the looks before the first step and after the last are not planned"
    [last] = [event for event in again if isinstance(event, StepsLogged)][-1:]
    assert last.learning_rate[-1] < 0.05 * config.optim.learning_rate, "the schedule ends where the run does"
    assert summarise(run).steps == finished.step


def test_a_disk_that_refuses_a_new_plan_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _, events = _run(tmp_path, "full", TINY.replace({"minutes": 0.02}))
    write, refused, taken, seen = write_settings, [0], [0], [next(events)]

    def refuse(run: RunDirectory, config: Config, data: Any) -> None:
        if not refused[0] or config.steps > taken[0]:  # the first, and all but the end
            refused[0] += 1
            raise RunError("no room left on the disk.")
        write(run, config, data)

    monkeypatch.setattr("simo2_core.train.trainer.write_settings", refuse)
    for event in events:
        seen.append(event)
        taken[0] = event.last_step if isinstance(event, StepsLogged) else taken[0]
    finished = seen[-1]
    assert isinstance(finished, RunFinished)
    assert finished.reason == "completed"
    assert "disk" in [event.code for event in seen if isinstance(event, WarningRaised)]
    assert run.config.steps == finished.step, "there was room in the end"
    [*again] = train(run.config, run, Control(run.control), pictures=False)
    assert not [event for event in again if isinstance(event, StepsLogged)], "its time is over"


def test_a_run_by_steps_that_gets_minutes_later_uses_them(tmp_path: Path) -> None:
    run, control, events = _run(tmp_path, "longer", TINY.replace({"schedule": "linear"}))
    for event in events:
        if isinstance(event, StepsLogged) and event.last_step >= 5:
            control.send("stop", "test")
    again = list(record(train(run.config.given({"minutes": 0.05}), run, Control(run.control), pictures=False), run))
    plans = [event for event in again if isinstance(event, Planned)]
    assert plans, "not the few steps that were left"
    assert again[-1].step > 12


def test_a_fast_run_for_a_time_ends_with_its_passes(tmp_path: Path) -> None:
    config = TINY.replace({"minutes": 60.0, "max_passes": 5, "schedule": "linear"})
    run, _, events = _run(tmp_path, "passes", config)
    seen = list(events)
    finished, steps = seen[-1], -(-5 * 1295 // 30)
    assert isinstance(finished, RunFinished)
    assert (finished.step, finished.reason, run.config.steps) == (steps, "completed", steps)
    assert finished.message.endswith("of 60 minutes, as --max-passes 5 has it")
    plans = [event for event in seen if isinstance(event, Planned)]
    assert plans, "an hour was said to be left"
    assert {plan.steps for plan in plans} == {steps}
    assert max(plan.seconds_left for plan in plans) < 300
    [last] = [event for event in seen if isinstance(event, StepsLogged)][-1:]
    assert last.learning_rate[-1] < 0.05 * config.optim.learning_rate
    again = list(record(train(run.config.replace({"minutes": 90.0}), run, Control(run.control), pictures=False), run))
    assert not [event for event in again if isinstance(event, StepsLogged)], "the time was not what ended it"


def test_a_run_tells_everything_in_order(whole: tuple[RunDirectory, list[Event]]) -> None:
    run, events = whole
    assert isinstance(events[0], RunStarted)
    assert str(events[0].placement).startswith("on the device: 115 kB of decoded images fit")
    decided = str(events[0].decided).split("; ")
    assert decided[0].startswith("10 classes x 3 samples are few of each class"), "so that it is quick"
    assert decided[1].endswith("(--distance line)")
    assert isinstance(events[1], Compiled)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].reason == "completed"
    assert sorted(_totals(run)) == list(range(1, 13))
    looks = [(event.split, event.step) for event in events if isinstance(event, Evaluated)]
    assert looks == [("validation", 5), ("validation", 6), ("validation", 10), ("validation", 12), ("test", 12)]
    assert [event.step for event in events if isinstance(event, CheckpointSaved)] == [6, 12]
    assert list(run.events()) == events


def test_the_images_behind_the_points_are_kept_once(whole: tuple[RunDirectory, list[Event]]) -> None:
    run, _ = whole
    validation = load_dataset(TINY.data).validation
    with np.load(run.embeddings / "thumbnails.npz") as file:
        np.testing.assert_array_equal(file["images"], validation.gather())
    with np.load(run.embeddings / "12.npz") as file:
        np.testing.assert_array_equal(file["labels"], validation.labels)


def test_everything_told_is_on_disk(whole: tuple[RunDirectory, list[Event]]) -> None:
    run, events = whole
    for event in events:
        if isinstance(event, CheckpointSaved | EmbeddingSnapshot):
            assert (run.path / event.path).exists(), event
        if isinstance(event, EmbeddingSnapshot):
            with np.load(run.path / event.path) as file:
                assert file["embedding"].shape == (event.images, 16)
                np.testing.assert_allclose(np.linalg.norm(file["embedding"], axis=1), 1, rtol=1e-5)
                assert len(file["class_names"]) == 10
                assert file["step"] == event.step
    assert run.facts["fingerprint"]
    assert run.facts["packages"]["jax"]


def _require_followed_losses(run: RunDirectory) -> None:
    """Each evaluation has the mean loss of the steps since the last that counts."""
    totals, last = _totals(run), 0
    looks = [event for event in run.events() if isinstance(event, Evaluated) and event.split == "validation"]
    for event in looks:
        assert event.loss == pytest.approx(np.mean([totals[step] for step in range(last + 1, event.step + 1)]))
        last = event.step if event.counts else last
    assert looks[-1].step == 12


def test_a_loss_that_is_followed_is_the_mean_since_the_last_evaluation_that_counts(
    whole: tuple[RunDirectory, list[Event]],
) -> None:
    _require_followed_losses(whole[0])
    looks = [event for event in whole[1] if isinstance(event, Evaluated) and event.split == "validation"]
    assert [event.step for event in looks if event.counts] == [5, 10], "those of 6 and 12 are there for a checkpoint"


def test_it_learns(tmp_path: Path) -> None:
    """With an ε that stays: where it falls, what a pair costs grows by itself."""
    run, _, events = _run(tmp_path, "published", TINY.replace({"published": True}))
    list(events)
    totals = _totals(run)
    assert np.mean([totals[i] for i in (10, 11, 12)]) < np.mean([totals[i] for i in (1, 2, 3)])


@pytest.mark.parametrize("stop", [1, 7])
def test_a_run_that_was_stopped_resumes_bit_for_bit(
    whole: tuple[RunDirectory, list[Event]], tmp_path: Path, stop: int
) -> None:
    config = TINY.replace({"patience_on": "loss"})
    run, control, events = _run(tmp_path, "parts", config.replace({"checkpoint_every": str(stop)}))
    for event in events:
        if isinstance(event, StepsLogged) and event.last_step >= stop:
            control.send("stop", "test")
    assert event.reason == "stopped"  # type: ignore[attr-defined]
    assert event.step >= stop
    list(record(train(config, run, control, pictures=False), run))
    assert _totals(run) == _totals(whole[0])
    _require_followed_losses(run)
    mine, theirs = _state(run, 12), _state(whole[0], 12)
    assert set(mine) == set(theirs)
    for name in mine:
        np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)


def test_commands_are_done_and_said_also_while_paused(tmp_path: Path) -> None:
    run, control, events = _run(tmp_path, "asked", TINY.replace({"steps": 40, "eval_every": "1s"}))
    seen = []
    rescue = threading.Timer(60, control.send, ("resume", "rescue"))
    rescue.start()
    for event in events:
        seen.append(event)
        if isinstance(event, StepsLogged) and event.step == 1:
            for command in ("pause", "checkpoint", "embed"):
                control.send(command, "test")
        elif isinstance(event, CheckpointSaved) and event.step == 1:
            control.send("resume", "test")
    rescue.cancel()
    applied = [(event.command, str(event.source)) for event in seen if isinstance(event, ControlApplied)]
    assert applied == [(command, "test") for command in ("pause", "checkpoint", "embed", "resume")]
    assert 1 in [event.step for event in seen if isinstance(event, EmbeddingSnapshot)]
    assert 1 in [event.step for event in seen if isinstance(event, CheckpointSaved)]
    assert run.path.exists()


def test_a_stop_reads_no_test_image(tmp_path: Path) -> None:
    _, control, events = _run(tmp_path, "stopped", TINY)
    control.send("stop", "signal SIGTERM")
    seen = list(events)
    assert isinstance(seen[-1], RunFinished)
    assert seen[-1].reason == "interrupted"
    assert not [event for event in seen if isinstance(event, Evaluated)]


def test_divergence_keeps_the_last_good_state(tmp_path: Path) -> None:
    config = TINY.replace({"learning_rate": 1e30, "gradient_clip": 0, "optimizer": "sgd", "schedule": "constant"})
    run, _, events = _run(tmp_path, "wild", config)
    seen: list[Event] = []
    with pytest.raises(DivergedError, match="Lower --learning-rate"):
        seen.extend(itertools.chain(events))
    logged = list(run.events())
    assert isinstance(logged[-1], RunFinished)
    assert logged[-1].reason == "diverged"
    if logged[-1].step:
        assert all(np.isfinite(array).all() for array in _state(run, logged[-1].step).values())


def test_other_settings_cannot_resume_and_say_which_array(whole: tuple[RunDirectory, list[Event]]) -> None:
    run, _ = whole
    with pytest.raises(CheckpointError, match="float32"):
        list(train(TINY.replace({"embedding_size": 8}), run, Control()))


def test_other_images_cannot_resume(whole: tuple[RunDirectory, list[Event]]) -> None:
    run, _ = whole
    with pytest.raises(CheckpointError, match="other images"):
        list(train(TINY.replace({"split_seed": 5}), run, Control()))


def test_a_class_smaller_than_k_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simo2_core.train.training.Training.compile", lambda self, leave: None)  # as if left at once
    _, control, events = _run(tmp_path, "large-k", TINY.replace({"samples_per_class": 140, "batch_size": 280}))
    control.send("stop", "test")
    codes = [event.code for event in events if isinstance(event, WarningRaised)]
    assert codes == ["k-over-class"]


def test_what_cannot_work_is_refused_before_anything_starts(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "never", TINY)
    with pytest.raises(ConfigError):
        next(train(TINY.replace({"dataset": "digits", "batch_size": 5}), run, Control()))
    assert not run.events_path.exists()


def test_the_config_on_disk_is_the_one_that_ran(whole: tuple[RunDirectory, list[Event]]) -> None:
    run, _ = whole
    assert json.loads(run.config_path.read_text())["config"]["steps"] == 12
    assert run.config.steps == 12
