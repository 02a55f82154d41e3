"""Pairs of images that show nearly the same picture: their pixels, made small, rise and fall together.

Shape letters: n images, p pixels of a thumbnail.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.nearest import above, unit_float32

LEAST = 0.99
"""The correlation of a pair: digits of one class reach 0.989."""
MOST_PARTNERS = 16
"""Pairs that an image has with those before it: a thousand equal images are not half a million pairs."""


class Pair(NamedTuple):
    """Two rows, the first before the second, and the correlation of their thumbnails."""

    first: int
    second: int
    correlation: float


def contrasts(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, p) unit rows whose products are correlations, of (n, h, w, ch); an image of one colour is a row of zeros."""
    flat_np = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    return unit_float32(flat_np - flat_np.mean(axis=1, keepdims=True))


def near_duplicates(unit: NDArray[np.float32], *, least: float = LEAST) -> list[Pair]:
    """The pairs of rows whose product is at least `least`, the highest first.

    Args:
        unit: (n, p) as `contrasts` gives them.
    """
    pairs: list[Pair] = []
    for row, earlier, products in above(unit, least):
        best = np.argsort(-products, kind="stable")[:MOST_PARTNERS]
        pairs += [Pair(int(earlier[place]), row, float(products[place])) for place in best]
    return sorted(pairs, key=lambda pair: (-pair.correlation, pair.first, pair.second))
