"""Ranges, ticks and number labels: the arithmetic of an axis, without drawing.

Ranges are rounded outwards to few, stable values: an axis that moves with every step would redraw the whole
chart each time and cost a slow link a hundred times more than the new dots do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_LADDER = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def jump(count: float, limit: float | None = None) -> float:
    """The smallest round number at or above `count`, never above `limit` where that is reached: it grows in jumps."""
    count = max(count, 10.0)
    power = 10.0 ** math.floor(math.log10(count))
    rounded = next(step * power for step in _LADDER if step * power >= count * (1 - 1e-12))
    # Close to the end of a run the whole of it is shown at once: one jump less.
    return float(limit) if limit and count <= limit and rounded * 1.6 >= limit else rounded


def tick_step(low: float, high: float, most: int) -> float:
    """A round distance (1, 2 or 5 times a power of ten) that gives at most `most` ticks from `low` to `high`."""
    rough = max(high - low, 1e-12) / max(1, most)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= rough * (1 - 1e-9))


def round_range(low: float, high: float, most: int = 6) -> tuple[float, float]:
    """`low` and `high` moved outwards to ticks; never empty."""
    if not high - low > 1e-12 * max(1.0, abs(low), abs(high)):
        reach = max(abs(low) * 0.5, 0.5)
        low, high = low - reach, high + reach
    step = tick_step(low, high, most)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def round_log_range(low: float, high: float) -> tuple[float, float]:
    """Exponents (base ten) around two positive values, rounded outwards to few times a power of ten."""
    bottom, top = math.log10(low), math.log10(high)
    # In less than a decade 1, 2 and 5 alone could leave half of the chart empty.
    steps = [math.log10(step) for step in (_LADDER if top - bottom < 1 else (1.0, 2.0, 5.0, 10.0))]
    floor, ceiling = math.floor(bottom), math.floor(top)
    bottom = floor + max(step for step in steps if floor + step <= bottom + 1e-9)
    top = ceiling + min(step for step in steps if ceiling + step >= top - 1e-9)
    return (bottom, top) if top - bottom > 0.2 else (bottom - 0.3, top + 0.3)


USUAL = 0.02
"""Share of the values at either end that need not be usual."""

FEWEST = 20
"""Values from which on some may be unusual."""


def usual_range(y: NDArray[np.float64]) -> tuple[float, float]:
    """The range of the usual of finite values (n,) in the order of steps: all but the ends, and what is newest.

    The newest values are told by their median: a curve that really leaves for elsewhere is followed, a spike is not.
    """
    if len(y) < FEWEST:
        return float(y.min()), float(y.max())
    ordered, skipped = np.sort(y), int(USUAL * len(y))
    newest = float(np.sort(y[-5:])[2])
    return min(float(ordered[skipped]), newest), max(float(ordered[-1 - skipped]), newest)


def without_outliers(low: float, high: float, usual: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The range from `low` to `high`, cut at an end where it would leave less than half of it to the usual values."""
    inner, outer = min(pair[0] for pair in usual), max(pair[1] for pair in usual)
    span = max(outer - inner, 0.02 * max(abs(inner), abs(outer)))
    return (
        low if low >= inner - span else inner - span / 8,
        high if high <= outer + span else outer + span / 8,
    )


def ticks(low: float, high: float, most: int) -> NDArray[np.float64]:
    """Round values in [low, high], at most `most` and a few."""
    step = tick_step(low, high, most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return np.arange(first, last + 1, dtype=np.float64) * step


def log_ticks(low: float, high: float, most: int) -> NDArray[np.float64]:
    """Exponents in [low, high] of powers of ten, with 2 and 5 between them where there is room."""
    decades = np.arange(math.floor(low), math.ceil(high) + 1, dtype=np.float64)
    every = max(1, math.ceil((high - low) / max(1, most)))
    wanted = decades[::every]
    if every == 1 and (high - low) * 3 <= most:
        wanted = np.sort(np.concatenate([decades, decades + math.log10(2), decades + math.log10(5)]))
    return wanted[(wanted >= low - 1e-9) & (wanted <= high + 1e-9)]


def short(value: float) -> str:
    """A number in at most seven characters: 0, 12.3, 45.6k, 4e-3, NaN, -Inf."""
    value = float(f"{value:.3g}")  # rounding the largest of all numbers gives infinity: round before asking
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-3 or size >= 1e15:
        for digits in (1, 0):
            mantissa, exponent = f"{value:.{digits}e}".split("e")
            text = f"{mantissa.removesuffix('.0')}e{int(exponent)}"
            if len(text) <= 7:
                break
        return text
    if size < 1e3:
        text = f"{value:.3g}"
        return text if len(text) <= 7 else f"{value:.2g}"
    if size < 1e4:
        return f"{value:.0f}"
    for unit, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= unit:
            return f"{value / unit:.3g}{suffix}"
    return f"{value:.3g}"


def tick_labels(values: NDArray[np.float64]) -> list[str]:
    """Labels that tell neighbouring ticks apart, beside 10k in thousands: 8k, and not 8000."""
    if len(values) and np.abs(values).max() >= 1e4:
        return [f"{value / 1e3:.3g}k" if 1e3 <= abs(value) < 1e4 else short(float(value)) for value in values]
    if len(values) < 2:
        return [short(float(value)) for value in values]
    step = float(np.abs(np.diff(values)).min())
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    if decimals > 4:
        return [short(float(value)) for value in values]
    return [f"{value + 0.0:.{decimals}f}" for value in values]
