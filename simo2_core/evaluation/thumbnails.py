"""The images behind the points of an embedding, small, in the run's own folder: a screen elsewhere can show them.

`embeddings/thumbnails.npz` holds `images` (n, h, w, ch) uint8, row for row those of every `embeddings/STEP.npz`.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from simo2_core.data.dataset import DataPart
from simo2_core.run.directory import RunDirectory
from simo2_core.run.files import write_whole

SIDE = 32
"""Most pixels of a side: more than a terminal shows of one image among several."""

MOST_BYTES = 8_000_000
"""Before compression. 10,000 colour images, the most that are embedded, keep 16 pixels a side."""

_CHUNK = 256
"""Images read at once: they may be mapped from disk, or decoded as they are read."""


def save_thumbnails(run: RunDirectory, part: DataPart) -> None:
    """Writes the thumbnails of `part` unless they are there; raises OSError when the disk refuses."""
    path = run.embeddings / "thumbnails.npz"
    if path.exists():
        return
    side = int(min(SIDE, (MOST_BYTES / max(1, len(part) * part.images.shape[-1])) ** 0.5))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=small_images(part, side))
    write_whole(path, buffer.getvalue())


def small_images(part: DataPart, side: int) -> NDArray[np.uint8]:
    """(n, h, w, ch) the images of a part, at most `side` pixels high and wide, read a few at a time."""
    rows, channels = part.rows, part.images.shape[-1]
    small = [shrink(np.asarray(part.images[rows[i : i + _CHUNK]]), side) for i in range(0, len(rows), _CHUNK)]
    return np.concatenate(small) if small else np.zeros((0, 1, 1, channels), np.uint8)


def shrink(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(n, h', w', ch): `images` (n, h, w, ch) at most `side` pixels high and wide, their shape kept; never enlarged."""
    from PIL import Image  # only a run's first evaluation needs it

    _, height, width, channels = images.shape
    scale = min(1.0, side / max(height, width))
    if scale == 1.0:
        return images
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = []
    for image in images:
        picture = Image.fromarray(image[..., 0] if channels == 1 else image)
        small.append(np.asarray(picture.resize(size, Image.Resampling.BOX)).reshape(size[1], size[0], channels))
    return np.stack(small)
