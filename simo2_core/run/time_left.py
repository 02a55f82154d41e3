"""What is left of the time of a run, from what the run says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from simo2_core.events import Evaluated, Event, Planned, RunStarted, StepsLogged


def in_words(seconds: float) -> str:
    """`12.3 minutes`, or below one `42 seconds`."""
    whole = round(seconds)
    return f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{whole} second{'s' * (whole != 1)}"


def is_left(seconds: float) -> str:
    """`12.3 minutes are left`, or `1 second is left`."""
    words = in_words(seconds)
    return f"{words} {'is' if words == '1 second' else 'are'} left"


FIXED_SHARE = 0.1
"""Of a step on images of full size: what a step takes however small they are. The rest goes by their area.

Area alone was right on an AMD EPYC. On an Intel Xeon with AMX half the side took 0.41 of it, on a GPU nearly as long;
this says 0.33, until the sizes have been timed.
"""


def relative_seconds(sides: Sequence[int]) -> list[float]:
    """Of a step on images of each side: what it takes of the last's, as far as that can be told without a clock."""
    return [FIXED_SHARE + (1 - FIXED_SHARE) * (side / sides[-1]) ** 2 for side in sides]


def steps_of_shares(first: int, last: int, planned: int, shares: int) -> list[float]:
    """How many of the steps from `first` to `last` are in each of so many equal `shares` of the `planned` ones."""
    ends = [planned * share / shares for share in range(1, shares)] + [math.inf]  # a run may be longer than planned
    begins = [0.0, *ends[:-1]]
    return [max(0.0, min(last, end) - max(first, begin)) for begin, end in zip(begins, ends, strict=True)]


def work_between(first: int, last: int, planned: int, sides: Sequence[int]) -> float:
    """What the steps from `first` to `last` cost, where a step on images of full size costs 1."""
    steps = steps_of_shares(first, last, planned, len(sides))
    return sum(n * each for n, each in zip(steps, relative_seconds(sides), strict=True))


def seconds_of_steps(taken: int, planned: int, sides: Sequence[int], steps_per_second: float) -> float:
    """Seconds that the steps after those `taken` will last, of a run of so many `planned`, at the speed of the newest.

    Args:
        sides: of images, as for `work_between`; those of the newest steps may be smaller.
    """
    if not sides or min(sides) < 1:  # all of one size; or a log that somebody damaged
        sides = (1,)
    newest = work_between(max(0, taken - 1), max(1, taken), planned, sides)
    return work_between(taken, planned, planned, sides) / (newest * steps_per_second)


@dataclass
class TimeLeft:
    """Takes the events of a run, in their order."""

    seconds: float | None = None
    """To the last step and its evaluation, as the run plans it; None where it trains for its steps."""
    sides: tuple[int, ...] = ()
    """Of its images, where they grow."""

    def add(self, event: Event) -> None:
        """Takes one more event; those that take none of the time are passed over."""
        match event:
            case RunStarted():
                self.seconds, self.sides = event.seconds_left, event.sides
            case Planned():
                self.seconds = event.seconds_left
            case StepsLogged() if event.steps_per_second > 0:
                self._spend(len(event.total) / event.steps_per_second)
            case Evaluated(split="validation"):
                self._spend(event.seconds)

    def to_the_end(self, taken: int, planned: int | None, steps_per_second: float) -> float | None:
        """Seconds as the run plans them, or else of the steps after those `taken` at this speed; None while unknown."""
        if self.seconds is not None:
            return self.seconds
        if planned is None or steps_per_second <= 0:
            return None
        return seconds_of_steps(taken, planned, self.sides, steps_per_second)

    def _spend(self, seconds: float) -> None:
        if self.seconds is not None:
            self.seconds = max(0.0, self.seconds - seconds)
