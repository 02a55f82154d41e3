"""A run that trains for a time takes that time, whatever the speed, and however it changes."""

from collections.abc import Callable

import pytest

from simo2_core.train.budget import FIRST_STEPS, Budget, steps_that_fit, work_between

GROWING = (16, 24, 32)


def carried(
    seconds_of: Callable[[int], float], minutes: float, sides: tuple[int, ...], *, stop_at: float = 2.0
) -> tuple[int, float, list[int]]:
    """Steps, seconds and plans of a run whose step i takes `seconds_of(i)` at full size, stopped once, gone on with."""
    taken, spent, planned, plans = 0, 0.0, FIRST_STEPS, [FIRST_STEPS]
    budget = Budget(minutes, 0.0)
    while taken < planned:
        n = min(7, planned - taken)
        seconds = sum(seconds_of(i) * work_between(i, i + 1, planned, sides) for i in range(taken, taken + n))
        budget.saw(taken, n, seconds, sides, planned)
        taken, spent = taken + n, spent + seconds
        if stop_at <= spent / (60 * minutes):
            budget, stop_at = Budget(minutes, spent), 2.0
        if budget.due(spent):
            planned = max(taken, budget.plan(taken, spent, sides))
            plans.append(planned)
    return taken, spent, plans


@pytest.mark.parametrize("sides", [(32,), GROWING])
@pytest.mark.parametrize("stop_at", [0.37, 2.0])
def test_a_steady_machine_needs_one_plan_and_ends_in_time(sides: tuple[int, ...], stop_at: float) -> None:
    taken, spent, plans = carried(lambda _: 0.05, 1.0, sides, stop_at=stop_at)
    assert spent == pytest.approx(60, rel=0.02)
    assert max(plans[1:]) - min(plans[1:]) <= 0.02 * taken
    assert taken == pytest.approx(1200 if sides == (32,) else 1200 / ((0.25 + 0.5625 + 1) / 3), rel=0.02)


@pytest.mark.parametrize("sides", [(32,), GROWING])
def test_a_machine_that_slows_down_ends_in_time_all_the_same(sides: tuple[int, ...]) -> None:
    _, spent, plans = carried(lambda i: 0.05 if i < 300 else 0.09, 1.0, sides)
    assert spent == pytest.approx(60, rel=0.04)
    assert plans[-1] < plans[2], "fewer steps than were planned first"


def test_a_time_that_is_over_ends_the_run_where_it_is() -> None:
    assert steps_that_fit(500, 0.0, (32,)) == 500
    budget = Budget(1.0, 0.0)
    for first in range(0, 50, 10):
        budget.saw(first, 10, 20.0, (32,), 1000)
    assert budget.due(100.0)
    assert budget.plan(50, 100.0, (32,)) == 50


def test_work_is_that_of_the_sizes_that_images_have() -> None:
    assert work_between(0, 300, 300, GROWING) == pytest.approx(100 * (0.25 + 0.5625 + 1))
    assert work_between(90, 110, 300, GROWING) == pytest.approx(10 * 0.25 + 10 * 0.5625)
    assert work_between(0, 10, 10, (32,)) == 10


def test_nothing_is_planned_without_a_time_or_before_speed_is_known() -> None:
    assert not Budget(0.0, 0.0).due(1000.0)
    budget = Budget(1.0, 0.0)
    budget.saw(0, 1, 30.0, (32,), FIRST_STEPS)
    assert not budget.due(30.0)
