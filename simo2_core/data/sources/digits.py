"""The 1,797 handwritten digits that ship inside scikit-learn: the data set that is always there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CLASS_NAMES = tuple("0123456789")


def load_digits() -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """All images and their classes.

    Returns:
        (1797, 8, 8, 1) uint8, the stored 0 to 16 scaled to 0 to 255; and (1797,) int32.
    """
    from sklearn.datasets import load_digits as bundled  # half a second of imports

    data = bundled()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    return images[..., None], data.target.astype(np.int32)
