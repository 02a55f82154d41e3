"""When evaluation, plots and checkpoints are due."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Set

from simo2_core.config import Config
from simo2_core.settings import Cadence
from simo2_core.train.step import MAX_STEPS

EVALUATING_SHARE = 0.2
"""Most of the time that goes into what is due by the clock: on a machine where an evaluation takes longer than its
cadence, a run would do nothing else. What is due by steps was asked for, and is done whatever it takes."""


class Timetable:
    """What is due between two calls, and how many steps may be taken before something is.

    A cadence of time counts from the end of what was done last. Of `step` everything is done, unless its checkpoint has
    no score: then a stop came before it could be.
    """

    def __init__(self, config: Config, step: int, unscored: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begins now: make it after compiling, which is no time to count."""
        self._steps, self._clock = config.steps, clock
        self._cadences: dict[str, Cadence] = {
            "evaluate": config.eval_every,
            "plot": config.plot_every,
            "checkpoint": config.checkpoint_every,
        }
        done = step - (step == unscored)
        self._begun, self._spent = clock(), 0.0
        self._last = dict.fromkeys(self._cadences, (done, self._begun))

    def due(self, step: int) -> set[str]:
        """Which of `evaluate`, `plot` and `checkpoint` to do now, after `step` steps; say `did` afterwards."""
        now = self._clock()
        affordable = self._spent <= EVALUATING_SHARE * (now - self._begun)
        return {
            name
            for name, cadence in self._cadences.items()
            if (cadence.steps or affordable)
            and cadence.due(step=step, last_step=self._last[name][0], now=now, last_time=self._last[name][1])
        }

    def did(self, due: Set[str], step: int, seconds: float) -> None:
        """What was `due` is done now, and took so many seconds."""
        now = self._clock()
        if any(not self._cadences[name].steps for name in due):
            self._spent += seconds
        self._last |= dict.fromkeys(due, (step, now))

    def looks(self, first: int, last: int, trained: float, each: float) -> int:
        """How often validation will be evaluated between two calls, for itself, a plot or a checkpoint.

        Args:
            first: the steps that are taken, not evaluated yet where that is due.
            last: the last step, whose own evaluation is not counted.
            trained: seconds of training between them.
            each: seconds that an evaluation takes.
        """
        every = {cadence.steps for cadence in self._cadences.values() if cadence.steps}
        by_steps = 0
        for count in range(1, len(every) + 1):  # what is due at the same step is done together
            for some in itertools.combinations(every, count):
                multiple = math.lcm(*some)
                by_steps -= (-1) ** count * max(0, (last - 1) // multiple - (first - 1) // multiple)
        now = self._clock()
        since = {
            cadence.seconds: now - self._last[name][1] for name, cadence in self._cadences.items() if cadence.seconds
        }
        by_time = int(any(seconds >= period for period, seconds in since.items()))
        by_time += sum(int((trained + seconds * (seconds < period)) // period) for period, seconds in since.items())
        if each:  # the next is made as soon as it is affordable, see `due`
            afforded = EVALUATING_SHARE * (now - self._begun + trained) - self._spent
            by_time = min(by_time, max(0, 1 + math.floor(afforded / ((1 - EVALUATING_SHARE) * each))))
        return by_steps + by_time

    def plan(self, steps: int) -> None:
        """The run has so many steps from now on."""
        self._steps = steps

    def steps_before_next(self, step: int) -> int:
        """The most steps to take in one call."""
        until = [cadence.steps_until(step) for cadence in self._cadences.values()]
        return min(self._steps - step, *(steps for steps in until if steps is not None), MAX_STEPS)
