"""How often the screen is drawn, so that neither the link nor the processor feels it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from statistics import median

FASTEST = 1 / 3
"""Seconds between two looks at the history."""

SLOWEST = 5.0
"""However thin the link, the screen is at most this old."""

WINDOW = 10.0
"""Seconds over which the link's cost is averaged: one full redraw is no rate."""

USUAL = 9
"""Refreshes of which the one in the middle is told: another screen, which a key opens, costs fifty times as much."""

WORDS_SECONDS = 3.0
"""Seconds between two statements of what the screen costs: saying it costs as well."""

SHARE = 0.03
"""Share of a processor that drawing may take: on two cores that train, more is felt in the steps."""

BUDGET = 8_000
"""Bytes a second that the screen may send."""


class Refresh:
    """Measures what drawing costs, and says when to draw again."""

    def __init__(
        self,
        budget: int,
        sent: Callable[[], int],
        *,
        clock: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.thread_time,
    ) -> None:
        """Begins to measure.

        Args:
            budget: bytes a second that the screen may send.
            sent: how many bytes the terminal has taken so far.
            clock: the time in seconds.
            worked: the seconds of a processor that this thread has used.
        """
        self._budget, self._sent, self._clock, self._worked = budget, sent, clock, worked
        self._last = (sent(), worked())
        self._history: deque[tuple[float, int]] = deque([(clock(), self._last[0])])
        self._costs: deque[float] = deque(maxlen=USUAL)
        self._worded = 0.0
        self.words = ("", "")
        """What the screen costs: bytes a second to the terminal, and work for a usual refresh."""

    def wait(self, *, tell: bool) -> float:
        """Seconds until the screen may be drawn again, after it has been drawn.

        Args:
            tell: whether anybody reads `words`.
        """
        now, sent, worked = self._clock(), self._sent(), self._worked()
        sent_then, worked_then = self._last
        self._last = (sent, worked)
        self._costs.append(worked - worked_then)
        self._history.append((now, sent))
        while now - self._history[0][0] > WINDOW and len(self._history) > 2:
            self._history.popleft()
        begun, sent_before = self._history[0]
        rate = (sent - sent_before) / max(now - begun, FASTEST)
        if sent and tell and now - self._worded >= WORDS_SECONDS:
            self._worded = now
            self.words = (f"{rate / 1000:.1f} kB/s", f"{median(self._costs) * 1000:.0f} ms")
        return min(max(FASTEST, (sent - sent_then) / self._budget, (worked - worked_then) / SHARE), SLOWEST)
