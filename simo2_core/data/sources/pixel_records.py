"""Images that are pixels in an array already, handed to the decoder as the plainest image file there is.

So they get what the images of every other source get: a size and channels by the settings, a place in the cache, and
no copy of all of them in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PixelRecords:
    """Some rows of one array."""

    pixels: NDArray[np.uint8]
    """(N, H, W, ch), ch 1 or 3; may be mapped from a file."""
    rows: NDArray[np.int64]
    """(n,) which of them."""
    file: str
    """What to call the array."""
    places: NDArray[np.int64]
    """(n,) where each lies in the file: `rows`, unless the others were left behind."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: NDArray[np.int64]) -> PixelRecords:
        """Those of `rows`, in that order."""
        return PixelRecords(self.pixels, self.rows[rows], self.file, self.places[rows])

    def __reduce__(self) -> tuple[Any, ...]:
        """Only its own images travel to a worker, which then needs no file."""
        return PixelRecords, (np.array(self.pixels[self.rows]), np.arange(len(self)), self.file, self.places)

    def images(self) -> Iterator[bytes | OSError]:
        """Each as a binary PGM or PPM file."""
        height, width, channels = self.pixels.shape[1:]
        head = b"P%d\n%d %d\n255\n" % (5 if channels == 1 else 6, width, height)
        for row in self.rows.tolist():
            yield head + self.pixels[row].tobytes()

    heads = images

    def names(self) -> Sequence[str]:
        """The array and the place in it."""
        return [f"{self.file} record {place}" for place in self.places.tolist()]
