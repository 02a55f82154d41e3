import pytest

from simo2_core.commands import Command, Reason, Source
from simo2_core.events import Compiled, ControlApplied, Event, RolledBack, RunFinished, RunStarted
from simo2_core.run.state import Course, State

BEGUN = RunStarted(
    run="r", steps=9, parameters=1, class_names=("a", "b"), classes_per_batch=2, samples_per_class=2,
    embedding_size=2, train_images=4, validation_images=4, test_images=4, device="1 x cpu", raw_pixels_knn=0.5,
)  # fmt: skip


def told(word: str) -> ControlApplied:
    return ControlApplied(step=1, command=Command(word), source=Source.parse("keyboard"))


def over(reason: str) -> RunFinished:
    return RunFinished(step=1, time=100.0, reason=Reason(reason), message="", checkpoint=None, seconds={})


@pytest.mark.parametrize(
    ("events", "owned", "alone"),
    [
        ([], State.PREPARING, State.EMPTY),
        ([BEGUN], State.COMPILING, State.DEAD),
        ([BEGUN, Compiled(seconds=1.0)], State.TRAINING, State.DEAD),
        ([BEGUN, Compiled(seconds=1.0), told("pause")], State.PAUSED, State.DEAD),
        ([BEGUN, Compiled(seconds=1.0), told("pause"), told("checkpoint")], State.PAUSED, State.DEAD),
        ([BEGUN, Compiled(seconds=1.0), told("pause"), told("resume")], State.TRAINING, State.DEAD),
        ([BEGUN, RolledBack(from_step=2, learning_rate=0.1, left=1)], State.COMPILING, State.DEAD),
        ([BEGUN, told("stop")], State.STOPPING, State.DEAD),
        ([BEGUN, told("stop"), over("stopped")], State.PREPARING, State.STOPPED),
        ([BEGUN, told("stop"), over("stopped"), BEGUN], State.COMPILING, State.DEAD),
        ([BEGUN, over("interrupted")], State.PREPARING, State.INTERRUPTED),
        ([BEGUN, over("diverged")], State.PREPARING, State.DIVERGED),
        ([BEGUN, over("completed")], State.COMPLETED, State.COMPLETED),
        ([BEGUN, over("failed")], State.PREPARING, State.FAILED),
    ],
)  # fmt: skip
def test_the_state_is_what_the_log_and_the_lock_say(events: list[Event], owned: State, alone: State) -> None:
    course = Course()
    for event in events:
        course.add(event)
    assert course.state(owned_since=200.0) is owned
    assert course.state(None) is alone


def test_an_owner_that_has_just_ended_the_run_says_how() -> None:
    course = Course()
    for event in (BEGUN, over("diverged")):
        course.add(event)
    assert course.state(owned_since=50.0) is State.DIVERGED


def test_every_way_to_end_is_a_state() -> None:
    assert {reason.value for reason in Reason} < {state.value for state in State}


def test_every_state_is_of_one_kind() -> None:
    for state in State:
        assert state.running + state.unfinished + (state in (State.COMPLETED, State.DAMAGED, State.READING)) == 1
