"""Training for a time: how many steps fit, from the speed that was measured, planned again as the run goes on.

A plan is a number of steps in all, no more. The schedule is laid over them, and everything that follows how far the run
is. So a run is the same, to the bit, as another that is given the same plans at the same steps; but when they are made,
and what they say, a clock decides.
"""

from __future__ import annotations

from collections.abc import Sequence

FIRST_STEPS = 1 << 17
"""Steps of a run whose speed nobody knows yet, and room for learning rates: its first plan comes within seconds."""

PLANNED_AT = (0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.94, 0.97, 0.985, 1.0)
"""Shares of the time after which a plan is made: the schedule hardly moves between two, and the end is met."""

LEAST_CALLS = 3
"""Calls that are timed before a plan: the first holds one step, and what is slow only once."""


class Clock:
    """The seconds that a run takes, by what it does."""

    def __init__(self, before: float) -> None:
        """`before` seconds went into training and evaluating in earlier starts of the run."""
        self._before, self._lap = before, 0.0
        self.seconds = {"compile": 0.0, "train": 0.0, "evaluate": 0.0}
        """Of this start."""

    @property
    def _worked(self) -> float:
        return self.seconds["train"] + self.seconds["evaluate"]

    @property
    def spent(self) -> float:
        """Seconds that went into training and evaluating, in all starts of the run."""
        return self._before + self._worked

    def lap(self) -> float:
        """Seconds of that since the last lap."""
        seconds, self._lap = self._worked - self._lap, self._worked
        return seconds


class Budget:
    """When to plan again, and what. Of one start of a run: the speed of an earlier one may be another machine's."""

    def __init__(self, minutes: float, spent: float) -> None:
        """`spent` seconds of the `minutes` are gone, in earlier starts of the run."""
        self._seconds = 60 * minutes
        self._last = spent
        self._work, self._measured, self._calls = 0.0, 0.0, 0

    def saw(self, first: int, steps: int, seconds: float, sides: Sequence[int], planned: int) -> None:
        """Takes the time of some steps, and of what was evaluated since the last ones.

        Args:
            first: how many were taken before.
            sides: of images, each for an equal share of the run: see `Config.sides`.
            planned: steps of the run, as it is planned now.
        """
        self._calls += 1
        if self._calls > 1:
            self._measured += seconds
            self._work += work_between(first, first + steps, planned, sides)

    def due(self, spent: float) -> bool:
        """Whether to plan again, when `spent` seconds of the time are gone."""
        if not self._seconds or self._calls <= LEAST_CALLS:
            return False
        begin, now = self._last / self._seconds, spent / self._seconds
        return any(begin < share <= now for share in PLANNED_AT) or now >= 1

    def plan(self, taken: int, spent: float, sides: Sequence[int]) -> int:
        """The steps of the run, with which it ends when its time does; at least those that are `taken`."""
        speed = self._measured / self._work
        left = max(0.0, self._seconds - spent)
        self._last = spent
        self._work, self._measured = self._work / 2, self._measured / 2  # what is newer counts for more
        return steps_that_fit(taken, left / speed, sides)


def work_between(first: int, last: int, planned: int, sides: Sequence[int]) -> float:
    """What the steps from `first` to `last` cost, where a step on images of full size costs 1."""
    total, stages = 0.0, len(sides)
    for stage, side in enumerate(sides):
        begin, end = planned * stage / stages, planned * (stage + 1) / stages
        if stage == stages - 1:
            end = max(end, last)
        total += max(0.0, min(last, end) - max(first, begin)) * (side / sides[-1]) ** 2
    return total


def steps_that_fit(taken: int, work: float, sides: Sequence[int]) -> int:
    """The most steps of a run in all, such that those after the `taken` ones cost no more than `work`."""
    low, high = taken, taken + 1
    while work_between(taken, high, high, sides) <= work and high < 10**9:
        low, high = high, min(2 * high, 10**9)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if work_between(taken, middle, middle, sides) <= work else (low, middle)
    return low
