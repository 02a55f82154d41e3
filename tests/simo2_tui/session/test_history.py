import dataclasses

import numpy as np
import pytest

from simo2_core import events
from simo2_tui.session.history import ColumnTable, History
from tests.simo2_tui.recorded import evaluated, logged, write_run


def filled(tmp_path, **options):
    history = History()
    for event in write_run(tmp_path, **options).events():
        history.add(event)
    return history


def test_a_table_keeps_everything_while_it_grows():
    table = ColumnTable(("a", "b"))
    for first in range(0, 5000, 7):
        rows = np.arange(first, first + 7.0)
        table.extend(np.array([rows, -rows]))
    assert np.array_equal(table.column("a"), np.arange(len(table), dtype=float))
    assert np.array_equal(table.column("b"), -table.column("a"))


def test_every_step_ever_logged_is_kept(tmp_path):
    history = filled(tmp_path, upto=283, steps=400)
    assert np.array_equal(history.steps.column("step"), np.arange(1.0, 284.0))
    assert history.step == 283
    assert history.total_steps == 400
    assert len(history.evaluations) == 7
    assert len(history.checkpoints) == 2


def test_speed_is_that_of_the_newest_calls_and_one_slow_call_does_not_move_it():
    history = History()
    for first in range(1, 200, 4):
        history.add(logged(first, 4, 400))
    slow = logged(201, 4, 400)
    history.add(events.from_json(slow.to_json() | {"images_per_second": 1.0, "steps_per_second": 0.01}))
    assert history.speed()[1] == pytest.approx(1664, rel=0.1)


def test_the_end_is_known_and_test_results_stand_apart(tmp_path):
    history = filled(tmp_path, upto=400, finish="completed")
    assert history.finished is not None
    assert history.test is not None
    assert all(event.split == "validation" for event in history.evaluations)


def test_pausing_is_what_the_newest_word_says():
    history = History()
    for word, paused in (("pause", True), ("checkpoint", True), ("resume", False), ("pause", True), ("stop", False)):
        history.add(events.ControlApplied(step=1, command=word, source="test"))
        assert history.paused is paused


def test_reset_forgets_and_moves_the_version_on(tmp_path):
    history = filled(tmp_path)
    version = history.version
    history.reset()
    assert history.version > version
    assert not len(history.steps)
    assert not history.log
    history.add(evaluated(1, 0.1))
    assert len(history.evaluations) == 1


def test_a_snapshot_that_is_made_twice_at_a_step_is_one():
    history = History()
    for step in (40, 80, 80):
        history.add(events.EmbeddingSnapshot(step=step, path=f"embeddings/{step}.npz", images=140))
    assert [event.step for event in history.snapshots] == [40, 80]


def test_nothing_known_yet():
    history = History()
    assert (history.step, history.total_steps, history.start) == (0, None, None)
    assert history.seconds_left() is None
    assert history.checkpoint_age() is None


def test_what_an_earlier_start_was_told_is_over_and_compiling_is_known():
    history = History()
    begun = events.RunStarted(
        run="r", steps=9, parameters=1, class_names=("a", "b"), classes_per_batch=2, samples_per_class=2,
        embedding_size=2, train_images=4, validation_images=4, test_images=4, device="1 x cpu", raw_pixels_knn=0.5,
    )  # fmt: skip
    for event, compiling, word in (
        (begun, True, None),
        (events.Compiled(seconds=1.0), False, None),
        (events.ControlApplied(step=1, command="stop", source="q"), False, "stop"),
        (events.RolledBack(step=0, from_step=1, learning_rate=1e-3, left=1), True, "stop"),
        (events.Compiled(seconds=1.0), False, "stop"),
        (begun, True, None),
    ):
        history.add(event)
        assert (history.compiling, history.course.word) == (compiling, word)


def test_the_time_left_of_a_run_for_minutes_is_that_of_its_plan_less_what_went_since(tmp_path):
    history = History()
    begun = dataclasses.replace(filled(tmp_path).start, seconds_left=1190.0)
    history.add(begun)
    history.add(logged(1, 4, 400))
    assert history.total_steps is None, "no plan is made yet"
    spent = 4 / history.speed()[0]
    assert history.seconds_left() == pytest.approx(1190 - spent)
    history.add(events.Planned(step=4, steps=300, seconds_left=1100.0))
    history.add(dataclasses.replace(evaluated(4, 0.5), seconds=30.0))
    assert history.seconds_left() == 1070, "at the newest speed it would be a moment"
    assert history.total_steps == 300
    history.add(dataclasses.replace(begun, step=4))
    assert history.total_steps == begun.steps, "planned before it was stopped"
    history.add(dataclasses.replace(begun, step=4, seconds_left=None))
    assert history.seconds_left() == pytest.approx((400 - 4) / history.speed()[0]), "gone on with for its steps"
