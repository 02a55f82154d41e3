import math
from dataclasses import replace

import pytest

from simo2_core.commands import Command, Reason, Requester
from simo2_core.events import (
    Compiled,
    ControlApplied,
    Evaluated,
    Event,
    RolledBack,
    RunFinished,
    RunStarted,
    StepsLogged,
)
from simo2_core.run.owner import Owner, Presence
from simo2_core.run.state import RunCourse, State
from tests.simo2_tui.recorded import evaluated

BEGUN = RunStarted(
    run="r", steps=9, parameters=1, class_names=("a", "b"), classes_per_batch=2, samples_per_class=2,
    embedding_size=2, train_images=4, validation_images=4, test_images=4, device="1 x cpu", raw_pixels_knn=0.5,
)  # fmt: skip


def told(word: str) -> ControlApplied:
    return ControlApplied(step=1, command=Command(word), source=Requester.parse("keyboard"))


def over(reason: str) -> RunFinished:
    return RunFinished(step=1, time=100.0, reason=Reason[reason.upper()], message="", checkpoint=None, seconds={})


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
)
def test_the_state_is_what_the_log_and_the_lock_say(events: list[Event], owned: State, alone: State) -> None:
    course = RunCourse()
    for event in events:
        course.add(event)
    assert course.state(owned_since=200.0) is owned
    assert course.state(None) is alone


def test_an_owner_that_has_just_ended_the_run_says_how() -> None:
    course = RunCourse()
    for event in (BEGUN, over("diverged")):
        course.add(event)
    assert course.state(owned_since=50.0) is State.DIVERGED


HERE, ELSEWHERE = (Owner(presence, 7, "node12", since=50.0) for presence in (Presence.HERE, Presence.ELSEWHERE))


def logged(seconds: float) -> StepsLogged:
    return StepsLogged(
        step=1, time=100.0, total=(1.0, 1.0), terms={}, grad_norm=(1.0, 1.0), learning_rate=(1.0, 1.0),
        steps_per_second=2 / seconds, images_per_second=1.0, data_wait=0.0,
    )  # fmt: skip


@pytest.mark.parametrize("owner", [HERE, ELSEWHERE])
@pytest.mark.parametrize(
    ("events", "patience"),
    [
        ([BEGUN, Compiled(time=100.0, seconds=1.0), logged(0.25)], 32.5),
        ([BEGUN, Compiled(time=100.0, seconds=1.0), logged(20.0)], 230.0),
        ([BEGUN], math.inf),
        ([BEGUN, Compiled(time=100.0, seconds=1.0), logged(0.25), told("pause")], math.inf),
        ([], math.inf),
    ],
)
def test_a_run_that_trains_is_silent_when_its_next_word_is_long_due(
    events: list[Event], patience: float, owner: Owner
) -> None:
    course = RunCourse()
    for event in events:
        course.add(replace(event, time=100.0))
    assert course.silent_for(owner, 100.0) is None
    if patience < math.inf:
        assert course.silent_for(owner, 100.0 + patience - 1) is None
        assert course.silent_for(owner, 100.0 + patience + 1) == pytest.approx(patience + 1)
    else:
        assert course.silent_for(owner, 1e6) is None
    assert course.silent_for(Owner(Presence.DEAD, 7, "node12"), 1e6) is None


def test_an_evaluation_is_waited_for() -> None:
    course = RunCourse()
    for event in (BEGUN, Compiled(seconds=1.0), logged(0.25), replace(evaluated(1, 0.5), seconds=60.0)):
        course.add(replace(event, time=100.0))
    assert course.silent_for(HERE, 300.0) is None
    assert course.silent_for(HERE, 320.0) == 220.0


def test_a_run_that_has_just_changed_hands_is_not_silent() -> None:
    course = RunCourse()
    for event in (BEGUN, Compiled(seconds=1.0), logged(0.25)):
        course.add(replace(event, time=100.0))
    assert course.silent_for(replace(HERE, since=1000.0), 1010.0) is None


def test_every_way_to_end_is_a_state() -> None:
    assert {reason.value for reason in Reason} < {state.value for state in State}


def test_every_state_is_of_one_kind() -> None:
    for state in State:
        assert state.running + state.unfinished + state.done + (state in (State.DAMAGED, State.READING)) == 1


def test_the_pictures_of_a_run_at_its_end_are_waited_for_and_no_longer_than_they_may_take() -> None:
    course = RunCourse()
    for event in (BEGUN, Compiled(seconds=1.0), logged(0.25), replace(evaluated(1, 0.5), split="test", seconds=0.0)):
        course.add(replace(event, time=100.0))
    assert course.silent_for(HERE, 100.0 + 150.0) is None
    assert course.silent_for(HERE, 100.0 + 155.0) == 155.0
    for event in (BEGUN, Compiled(seconds=1.0), logged(0.25)):  # and a run that goes on trains again
        course.add(replace(event, time=300.0))
    assert course.silent_for(HERE, 340.0) == 40.0


def test_reading_test_is_waited_for_as_long_as_so_many_images_may_take() -> None:
    course = RunCourse()
    begun = replace(BEGUN, train_images=45_000, test_images=10_000)
    look = replace(evaluated(1, 0.5), images=5000, bank=10_000, seconds=16.0)
    for event in (begun, Compiled(seconds=1.0), logged(0.25), look):
        course.add(replace(event, time=100.0 + isinstance(event, Evaluated)))
    assert course.silent_for(HERE, 101.0 + 130.0) is None, "it took 118 seconds"
    assert course.silent_for(HERE, 101.0 + 600.0) == 600.0
    course.add(replace(logged(0.25), time=102.0))
    assert course.silent_for(HERE, 102.0 + 130.0) == 130.0, "it trains on"
