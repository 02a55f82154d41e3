"""What is left of the time of a run that trains for minutes, from what the run says."""

from __future__ import annotations

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


@dataclass
class TimeLeft:
    """Takes the events of a run, in their order."""

    seconds: float | None = None
    """To the last step and its evaluation, as the run plans it; None where it trains for its steps."""

    def add(self, event: Event) -> None:
        """Takes one more event; those that take none of the time are passed over."""
        match event:
            case RunStarted() | Planned():
                self.seconds = event.seconds_left
            case StepsLogged() if event.steps_per_second > 0:
                self._spend(len(event.total) / event.steps_per_second)
            case Evaluated(split="validation"):
                self._spend(event.seconds)

    def _spend(self, seconds: float) -> None:
        if self.seconds is not None:
            self.seconds = max(0.0, self.seconds - seconds)
