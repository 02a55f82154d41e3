"""Training for a time: how many steps fit, from the speed that was measured, planned again as the run goes on.

A plan is a number of steps in all, no more. The schedule is laid over them, and everything that follows how far the run
is. So a run is the same, to the bit, as another that is given the same plans at the same steps; but when they are made,
and what they say, a clock decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simo2_core.run.time_left import relative_seconds, steps_of_shares

FIRST_STEPS = 1 << 17
"""Steps of a run whose speed nobody knows yet, and room for learning rates: its first plan comes within seconds."""

PLANNED_AT = (0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.94, 0.97, 0.985, 1.0)
"""Shares of the time after which a plan is made: the schedule hardly moves between two, and the end is met."""

LEAST_CALLS = 3
"""Calls that are timed before a plan: the first holds one step, and what is slow only once."""


FORWARD_SHARE = 1 / 3
"""Of a step: the forward pass, which is what an evaluation does with its images; the backward pass takes twice that."""

Looks = Callable[[int, int, float, float], int]
"""How often validation will be evaluated on the way: see `simo2_core.train.timetable.Timetable.looks`."""


class Clock:
    """The seconds that a run takes, by what it does."""

    def __init__(self, before: float) -> None:
        """`before` seconds went into training and evaluating in earlier starts of the run."""
        self._before = before
        self.seconds = {"compile": 0.0, "train": 0.0, "evaluate": 0.0}
        """Of this start."""
        self.reading = 0.0
        """Of those that went into evaluating: into reading test at the end, which is no training."""

    @property
    def spent(self) -> float:
        """Seconds that went into training, and evaluating it, in all starts of the run."""
        return self._before + self.seconds["train"] + self.seconds["evaluate"] - self.reading


class StepSeconds:
    """What a step takes by the side of its images: of those that were seen what they took, else in proportion to it."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[float, float]] = {}
        """By side: what its steps were thought to take, where one of full size takes 1, and the seconds they took."""

    def __bool__(self) -> bool:
        """Whether any step was seen."""
        return bool(self._seen)

    def of(self, sides: Sequence[int]) -> list[float]:
        """Seconds of a step on images of each of the `sides`; once some were seen."""
        thought, took = (sum(sums) for sums in zip(*self._seen.values(), strict=True))
        paces = {side: took / thought for side, (thought, took) in self._seen.items()}
        return [
            each * paces.get(side, took / thought) for side, each in zip(sides, relative_seconds(sides), strict=True)
        ]

    def saw(self, first: int, last: int, planned: int, sides: Sequence[int], seconds: float) -> None:
        """Takes the time of the steps from `first` to `last`; where they are of several sizes, as it was expected."""
        steps, relative = steps_of_shares(first, last, planned, len(sides)), relative_seconds(sides)
        expected = [n * each for n, each in zip(steps, self.of(sides) if self else relative, strict=True)]
        for side, n, each, share in zip(sides, steps, relative, expected, strict=True):
            if n:
                thought, took = self._seen.get(side, (0.0, 0.0))
                self._seen[side] = thought + n * each, took + seconds * share / (sum(expected) or 1.0)

    def halve(self) -> None:
        """Lets what comes from now on count for more."""
        self._seen = {side: (thought / 2, took / 2) for side, (thought, took) in self._seen.items()}


class Budget:
    """When to plan again, and what. Of one start of a run: the speed of an earlier one may be another machine's.

    Steps and evaluations are told apart: one evaluation may take as long as a hundred steps.
    """

    def __init__(self, minutes: float, clock: Clock, batches: float, most: int | None = None, taken: int = 0) -> None:
        """Of the `minutes`, what the clock says is spent. An evaluation embeds so many `batches` of images.

        Args:
            most: steps that the run may take, whatever time is left; None for any number.
            taken: before this start.
        """
        self._seconds, self._clock, self._batches, self._most = 60 * minutes, clock, batches, most
        self._begun = taken
        self._last = self._done(taken)
        self._needed = self._told = self.left
        self._told_at = clock.spent
        self.planned = False
        """Whether this start has made a plan."""
        self._step_seconds, self._full_size, self._calls = StepSeconds(), 0.0, 0
        self._looks, self._looking = 0, 0.0
        self.pixels = 0.0
        """Seconds that kNN of raw pixels took: that of representations takes no longer."""

    @property
    def left(self) -> float:
        """Seconds of the time that are left."""
        return max(0.0, self._seconds - self._clock.spent)

    def _done(self, taken: int) -> float:
        """The share of the run that is over: of its time, or of the most steps where that is more."""
        time = self._clock.spent / self._seconds if self._seconds else 0.0
        return max(time, taken / self._most if self._most else 0.0)

    @property
    def counted(self) -> float:
        """Seconds that who counts down what was told last sees."""
        return max(0.0, self._told - (self._clock.spent - self._told_at))

    @property
    def misled(self) -> bool:
        """Whether that is a tenth more or less than the last plan needs."""
        return abs(self.counted - self._needed) > 0.1 * self._needed

    def tell(self) -> float:
        """Seconds that the last plan needs, to its end."""
        self._told, self._told_at = self._needed, self._clock.spent
        return self._needed

    @property
    def look_seconds(self) -> float:
        """What an evaluation takes: the mean of those that were made; before the first, by the speed of steps."""
        if self._looks:
            return self._looking / self._looks
        return self.pixels + self._batches * FORWARD_SHARE * self._full_size

    @property
    def has_room(self) -> bool:
        """Whether there is time to evaluate before the last step is: else nothing would be trained in between."""
        return not self._seconds or self.left >= 2 * self.look_seconds

    def saw(self, first: int, steps: int, seconds: float, sides: Sequence[int], planned: int) -> None:
        """Takes the time of some steps, with nothing evaluated in between.

        Args:
            first: how many were taken before.
            sides: of images, each for an equal share of the run: see `Config.sides`.
            planned: steps of the run, as it is planned now.
        """
        self._calls += 1
        if self._calls > 1:
            self._step_seconds.saw(first, first + steps, planned, sides, seconds)
            *_, self._full_size = self._step_seconds.of(sides)

    def looked(self, seconds: float) -> None:
        """Takes the time of an evaluation of validation."""
        self._looks += 1
        self._looking += seconds

    def due(self, taken: int, planned: int) -> bool:
        """Whether to plan again, with so many steps taken of those `planned`."""
        if not self._seconds or taken == self._most:
            return False
        begin, now = self._last, self._done(taken)
        # whatever was planned on another machine, which may have been far slower
        if not self.planned and self._step_seconds and planned - taken <= taken - self._begun:
            return True
        if self._calls <= LEAST_CALLS:
            return False
        if not self.planned and now - begin >= PLANNED_AT[0]:
            return True
        return any(begin < share <= now for share in PLANNED_AT) or now >= 1

    def plan(self, taken: int, sides: Sequence[int], looks: Looks) -> int:
        """The steps of the run, with which it ends when its time does; at least those `taken`, else at most `most`.

        Kept back is the time of the evaluations on the way and of the one after the last step.
        """
        of_sides, each, left = self._step_seconds.of(sides), self.look_seconds, self.left
        self._last, self.planned = self._done(taken), True
        self._step_seconds.halve()

        def on_the_way(steps: int) -> int:
            return looks(taken, steps, _training_seconds(taken, steps, of_sides), each)

        def cost(steps: int) -> float:
            return _training_seconds(taken, steps, of_sides) + each * (on_the_way(steps) + 1)

        kept = each * (on_the_way(_most(taken, cost, left)) + 1)
        # where one more would just not fit it is not made, see `has_room`, and its time is trained
        steps = steps_that_fit(taken, left - kept, of_sides)
        self._needed = left
        if self._most is not None and steps > max(self._most, taken):
            steps = max(self._most, taken)
            self._needed = min(left, cost(steps))
        return steps


def _training_seconds(taken: int, steps: int, of_sides: Sequence[float]) -> float:
    """What those after the `taken` ones take, of a run of so many, in whose equal shares a step takes `of_sides`."""
    of_shares = steps_of_shares(taken, steps, steps, len(of_sides))
    return sum(n * each for n, each in zip(of_shares, of_sides, strict=True))


def steps_that_fit(taken: int, seconds: float, of_sides: Sequence[float]) -> int:
    """The most steps of a run in all, such that those after the `taken` ones take no longer than that."""
    return _most(taken, lambda steps: _training_seconds(taken, steps, of_sides), seconds)


def _most(taken: int, cost: Callable[[int], float], most: float) -> int:
    """The most steps in all, `taken` or more, that cost no more than `most`; more steps cost more."""
    low, high = taken, taken + 1
    while cost(high) <= most and high < 10**9:
        low, high = high, min(2 * high, 10**9)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) <= most else (low, middle)
    return low
