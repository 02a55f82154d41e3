"""The numbers that a setting may have: every one is finite and fits what computes with it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

LARGEST_COUNT = 10**9
"""Of steps, images and the like: below what 32 bits hold, with room for sums of a few."""

SMALLEST_WHOLE, LARGEST_WHOLE = -(2**31), 2**31 - 1
"""Of a whole number that says nothing else: what 32 bits hold, as arrays do."""

LARGEST_FLOAT = 1e30
"""Of a number that says nothing else, both ways: float32 holds it."""

_WIDE = 10_000
"""From here on, an upper bound is there for safety, and is not spoken of until it is passed."""


@dataclass(frozen=True)
class Bounds:
    """An interval, each end of it part of it or not; where an end is open, what a machine computes with."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    @property
    def told(self) -> str:
        """For `--help`, such as `0 to 1`; empty where a bound is there for safety alone."""
        low = self.at_least if self.at_least is not None else self.above
        high = self.at_most if self.at_most is not None else self.below
        return "" if low is None or high is None or high >= _WIDE else self._whole

    @property
    def _whole(self) -> str:
        if self.at_least is not None and self.at_most is not None:
            return f"from {_number(self.at_least)} to {_number(self.at_most)}"
        return " and ".join(text for text in (self._low, self._high) if text)

    @property
    def _low(self) -> str:
        if self.above is not None:
            return f"above {_number(self.above)}"
        return "" if self.at_least is None else f"at least {_number(self.at_least)}"

    @property
    def _high(self) -> str:
        if self.below is not None:
            return f"below {_number(self.below)}"
        return "" if self.at_most is None else f"at most {_number(self.at_most)}"

    def refusal(self, value: float) -> str:
        """What `value` must be, where it is not that; empty where it is."""
        ends = self._filled(isinstance(value, int))
        if isinstance(value, float) and not math.isfinite(value):
            return ends._whole if self.told else f"{self._low} and finite" if self._low else "finite"
        low = (ends.at_least is not None and value < ends.at_least) or (ends.above is not None and value <= ends.above)
        high = (ends.at_most is not None and value > ends.at_most) or (ends.below is not None and value >= ends.below)
        if not low and not high:
            return ""
        if self.told:
            return self._whole
        if high:
            return ends._high
        return f"{_number(ends.at_least)} or more" if ends.at_least is not None else ends._low

    def _filled(self, whole: bool) -> Bounds:
        low, high = (SMALLEST_WHOLE, LARGEST_WHOLE) if whole else (-LARGEST_FLOAT, LARGEST_FLOAT)
        return Bounds(
            at_least=low if self.at_least is None and self.above is None else self.at_least,
            above=self.above,
            at_most=high if self.at_most is None and self.below is None else self.at_most,
            below=self.below,
        )


def _number(value: float | None) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.12g}"


def shown(value: Any) -> str:
    """A value that is refused, as `repr` but short enough for one line, whatever it is."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        return "a number of thousands of digits"
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:30]}… ({len(text):,} characters)"
