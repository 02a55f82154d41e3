"""A run that trains for a time takes that time, whatever the speed, and however it changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from simo2_core.config import Config
from simo2_core.events import Evaluated, Event, Planned, StepsLogged
from simo2_core.run.time_left import TimeLeft, relative_seconds, steps_of_shares, work_between
from simo2_core.train.budget import FIRST_STEPS, Budget, Clock, StepSeconds, steps_that_fit
from simo2_core.train.timetable import Timetable

GROWING = (16, 24, 32)
NEVER = dict.fromkeys(("eval_every", "plot_every", "checkpoint_every"), "never")


@dataclass
class Course:
    """What came of a run."""

    taken: int = 0
    spent: float = 0.0
    plans: list[int] = field(default_factory=list)
    looks: int = 0
    etas: list[tuple[float, float]] = field(default_factory=list)
    """(seconds spent, what was shown to be left), after each call."""


def carried(
    seconds_of: Callable[[int], float],
    minutes: float,
    sides: tuple[int, ...] = (32,),
    *,
    look: float = 0.0,
    asked: int = 0,
    stop_at: float = 2.0,
    batches: float = 0.0,
    most: int | None = None,
    of_sides: tuple[float, ...] = (),
    **cadences: Any,
) -> Course:
    """A run whose step i takes `seconds_of(i)` at full size, as the loop has it; stopped once, and gone on with.

    Args:
        look: seconds that an evaluation takes.
        asked: a step after which somebody asks for one.
        stop_at: share of the time.
        of_sides: what a step takes of one at full size, for each of the `sides`; else as it is thought to be.
    """
    course, relative, left = Course(), of_sides or relative_seconds(sides), TimeLeft(60 * minutes)
    planned = min(FIRST_STEPS, most or FIRST_STEPS)
    config = Config().replace({"steps": planned, **NEVER, **cadences})
    clock, now = Clock(0.0), [0.0]
    budget, table = Budget(minutes, clock, batches, most), Timetable(config, 0, -1, lambda: now[0])

    def evaluate() -> None:
        now[0] += look
        clock.seconds["evaluate"] += look
        budget.looked(look)
        course.looks += 1
        left.add(_looked(look))

    while course.taken < planned:
        due = table.due(course.taken) if budget.has_room else set()
        if due or course.taken == asked > 0:
            evaluate()
            table.did(due, course.taken, look)
        first, n = course.taken, max(1, min(7, table.steps_before_next(course.taken)))
        seconds = sum(seconds_of(i) * _cost(i, planned, relative) for i in range(first, first + n))
        now[0] += seconds
        clock.seconds["train"] += seconds
        course.taken += n
        left.add(_steps(n, seconds))
        budget.saw(first, n, seconds, sides, planned)
        if budget.due(course.taken, planned):
            planned = max(course.taken, budget.plan(course.taken, sides, table.looks))
            table.plan(planned)
            course.plans.append(planned)
            left.add(Planned(steps=planned, seconds_left=budget.tell()))
        course.etas.append((clock.spent, left.seconds or 0.0))
        if stop_at <= clock.spent / (60 * minutes):
            clock, stop_at = Clock(clock.spent), 2.0
            now[0] += 1000
            budget = Budget(minutes, clock, batches, most, course.taken)
            table = Timetable(config, course.taken, -1, lambda: now[0])
            table.plan(planned)
    evaluate()
    return replace(course, spent=clock.spent)


def _cost(step: int, planned: int, of_sides: Sequence[float]) -> float:
    steps = steps_of_shares(step, step + 1, planned, len(of_sides))
    return sum(n * each for n, each in zip(steps, of_sides, strict=True))


def _steps(n: int, seconds: float) -> Event:
    none = (0.0,) * n
    return StepsLogged(
        step=1, total=none, terms={}, grad_norm=none, learning_rate=none,
        steps_per_second=n / seconds, images_per_second=1.0, data_wait=0.0,
    )  # fmt: skip


def _looked(seconds: float) -> Event:
    return Evaluated(
        split="validation", images=1, bank=1, knn_representation=0.5, knn_projection=0.5, knn_raw_pixels=0.5,
        effective_rank=2.0, same_class_cosine=0.5, different_class_cosine=0.5, largest_class_cosine=0.5,
        seconds=seconds,
    )  # fmt: skip


@pytest.mark.parametrize("sides", [(32,), GROWING])
@pytest.mark.parametrize("stop_at", [0.37, 2.0])
def test_a_steady_machine_needs_one_plan_and_ends_in_time(sides: tuple[int, ...], stop_at: float) -> None:
    course = carried(lambda _: 0.05, 1.0, sides, stop_at=stop_at)
    assert course.spent == pytest.approx(60, rel=0.02)
    assert max(course.plans) - min(course.plans) <= 0.02 * course.taken
    assert course.taken == pytest.approx(1200 if sides == (32,) else 1200 / ((0.325 + 0.60625 + 1) / 3), rel=0.02)


@pytest.mark.parametrize("sides", [(32,), GROWING])
@pytest.mark.parametrize("stop_at", [0.001, 2.0])
def test_a_fast_machine_takes_the_most_steps_and_knows_its_end(sides: tuple[int, ...], stop_at: float) -> None:
    # small images take more than their share of the time here, as they do on a GPU
    course = carried(lambda i: 0.003 if i < 300 else 0.002, 20.0, sides, look=0.5, most=900, stop_at=stop_at)
    assert (course.taken, course.plans[-1]) == (900, 900)
    assert course.spent < 4
    late = [(spent, left) for spent, left in course.etas if spent > 0.5]
    assert all(left == pytest.approx(course.spent - spent, rel=0.35, abs=0.6) for spent, left in late)


def test_a_slow_machine_minds_its_time_and_not_the_most_steps() -> None:
    free, bounded = (carried(lambda _: 0.05, 1.0, most=most) for most in (None, 100_000))
    assert bounded.taken == pytest.approx(free.taken, rel=0.01)
    assert bounded.spent == pytest.approx(60, rel=0.02)


@pytest.mark.parametrize("sides", [(32,), GROWING])
def test_a_machine_that_slows_down_ends_in_time_all_the_same(sides: tuple[int, ...]) -> None:
    course = carried(lambda i: 0.05 if i < 300 else 0.09, 1.0, sides)
    assert course.spent == pytest.approx(60, rel=0.04)
    assert course.plans[-1] < course.plans[1], "fewer steps than were planned first"


@pytest.mark.parametrize("stop_at", [0.37, 2.0])
@pytest.mark.parametrize("sides", [(32,), GROWING])
@pytest.mark.parametrize(
    "cadences",
    [
        {"eval_every": "5m", "checkpoint_every": "5m"},
        {"eval_every": "400"},
        {"eval_every": "300", "checkpoint_every": "200", "plot_every": "4m"},
        {"eval_every": "10s", "plot_every": "60s", "checkpoint_every": "5m"},
        {},
    ],
    ids=["by-time", "by-steps", "mixed", "all-the-time", "never"],
)
def test_a_long_evaluation_moves_no_plan(cadences: dict[str, Any], sides: tuple[int, ...], stop_at: float) -> None:
    # one at step 5 was counted as five steps of 6 s each: the first plan was a tenth of what fits
    course = carried(lambda _: 0.7, 20.0, sides, look=30.0, asked=7, batches=100, stop_at=stop_at, **cadences)
    assert course.spent == pytest.approx(1200, rel=0.02)
    steps = {value for value in cadences.values() if value.isdecimal()}
    near = 0.08 if len(steps) > 1 else 0.03  # one of both kinds of evaluation may come or not
    assert course.plans == pytest.approx([course.taken] * len(course.plans), rel=near)
    assert all(shown == pytest.approx(1200 - spent, abs=1e-6) for spent, shown in course.etas)


@pytest.mark.parametrize("minutes", [18 + tenth / 5 for tenth in range(20)])
def test_one_evaluation_more_or_less_does_not_move_the_end(minutes: float) -> None:
    for cadence in ("5m", "400"):
        course = carried(lambda _: 0.7, minutes, look=30.0, batches=100, eval_every=cadence)
        assert course.spent == pytest.approx(60 * minutes, rel=0.01)
        assert course.plans == pytest.approx([course.taken] * len(course.plans), rel=0.03)


def test_what_an_evaluation_takes_is_told_from_steps_before_the_first_one() -> None:
    clock = Clock(0.0)
    budget = Budget(20.0, clock, 90)
    budget.pixels = 2.0
    assert budget.look_seconds == 2
    for first in range(0, 30, 10):
        budget.saw(first, 10, 7.0, (32,), 1000)
    assert budget.look_seconds == pytest.approx(2 + 90 * 0.7 / 3)
    budget.looked(25.0)
    budget.looked(31.0)
    assert budget.look_seconds == 28


def test_reading_test_takes_none_of_the_time() -> None:
    clock = Clock(5.0)
    clock.seconds |= {"compile": 50.0, "train": 10.0, "evaluate": 30.0}
    clock.reading = 20.0
    assert clock.spent == 25


def test_a_start_with_other_minutes_is_planned_within_a_hundredth_of_them() -> None:
    clock = Clock(610.0)
    budget = Budget(60.0, clock, 0)
    for first in range(1000, 1050, 10):
        budget.saw(first, 10, 7.0, (32,), 1050)
    clock.seconds["train"] = 35.0
    assert not budget.due(1050, 9000)
    clock.seconds["train"] = 37.0
    assert budget.due(1050, 9000), "what an earlier start planned was for other minutes, or another machine"
    assert budget.plan(1050, (32,), lambda *_: 0) == pytest.approx(1050 + (3600 - 647) / 0.7, abs=1)
    assert not budget.due(1050, 9000)


def test_a_start_on_a_far_faster_machine_is_planned_before_the_old_steps_run_out() -> None:
    clock = Clock(600.0)
    budget = Budget(20.0, clock, 0, taken=350)
    for first in range(350, 520, 10):
        budget.saw(first, 10, 0.03, (32,), 700)
    clock.seconds["train"] = 0.5  # of twelve seconds, a hundredth of the time
    assert not budget.due(520, 700)
    assert budget.due(525, 700), "half of what was left is done: the rest is planned anew while there is a rest"
    assert budget.plan(525, (32,), lambda *_: 0) == pytest.approx(525 + 599.5 / 0.003, rel=0.001)


def test_a_time_that_is_over_ends_the_run_where_it_is() -> None:
    assert steps_that_fit(500, 0.0, (32,)) == 500
    clock = Clock(0.0)
    budget = Budget(1.0, clock, 0)
    for first in range(0, 50, 10):
        budget.saw(first, 10, 20.0, (32,), 1000)
    clock.seconds["train"] = 100.0
    assert budget.due(50, 1000)
    assert budget.plan(50, (32,), lambda *_: 0) == 50


def test_work_is_that_of_the_sizes_that_images_have() -> None:
    assert work_between(0, 300, 300, GROWING) == pytest.approx(100 * (0.325 + 0.60625 + 1))
    assert work_between(90, 110, 300, GROWING) == pytest.approx(10 * 0.325 + 10 * 0.60625)
    assert work_between(0, 10, 10, (32,)) == 10


@pytest.mark.parametrize(
    ("of_sides", "first", "later"),
    [((0.25, 0.5625, 1.0), 0.2, 0.05), ((0.41, 0.5, 1.0), 0.25, 0.08), ((0.9, 1.0, 1.0), 0.5, 0.25)],
    ids=["as-their-area", "as-a-cpu-with-amx", "as-a-gpu"],
)
def test_what_small_images_take_is_learnt_from_them(of_sides: tuple[float, ...], first: float, later: float) -> None:
    course = carried(lambda _: 0.05, 2.0, GROWING, of_sides=of_sides)
    assert course.spent == pytest.approx(120, rel=0.02)
    assert course.plans[0] == pytest.approx(course.taken, rel=first)
    since_half = course.plans[len(course.plans) // 2 :]
    assert since_half == pytest.approx([course.taken] * len(since_half), rel=later)


def test_a_call_with_images_of_two_sizes_says_nothing_new_of_either() -> None:
    seen = StepSeconds()
    assert not seen
    seen.saw(0, 90, 300, GROWING, 36.0)
    assert seen.of(GROWING) == pytest.approx([0.4, 0.4 * 0.60625 / 0.325, 0.4 / 0.325])
    seen.saw(100, 150, 300, GROWING, 25.0)
    assert seen.of(GROWING)[:2] == pytest.approx([0.4, 0.5])
    seen.halve()
    seen.saw(95, 105, 300, GROWING, 5 * 0.4 + 5 * 0.5)
    assert seen.of(GROWING)[:2] == pytest.approx([0.4, 0.5])
    assert 0.5 / 0.60625 < seen.of(GROWING)[2] < 0.4 / 0.325, "between what the sizes that were seen say of it"


def test_nothing_is_planned_without_a_time_or_before_speed_is_known() -> None:
    clock = Clock(1000.0)
    assert not Budget(0.0, clock, 0).due(0, FIRST_STEPS)
    assert Budget(0.0, clock, 0).has_room
    budget = Budget(1.0, Clock(30.0), 0)
    budget.saw(0, 1, 30.0, (32,), FIRST_STEPS)
    assert not budget.due(1, FIRST_STEPS)
