"""What a viewer of embeddings shows of each image: where it lies in a plane, what lies next to it, and a thumbnail.

The columns are those of embedding-atlas; DuckDB and pandas read them as any others.
"""

from __future__ import annotations

import importlib.util
import io
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simo2_core.analysis.nearest import nearest_others, unit_float32
from simo2_core.analysis.reduce import pca_2d, tsne_2d, umap_2d
from simo2_core.evaluation.thumbnails import shrink

NEIGHBOURS = 15
"""Images next to each."""
_MOST_TSNE = 3000
"""Images that t-SNE lays out in some 10 s."""
_MOST_SEARCHED = 100_000
"""Images whose neighbours are searched among all others: minutes."""
_FITTED = 20_000
"""Images that the principal axes are found from."""
_SIDE, _LEAST_SIDE, _MOST_BYTES = 64, 16, 400_000_000
"""Of a thumbnail in pixels, and of all before compression."""
_CHUNK = 256

Pictures = Sequence[tuple[NDArray[np.uint8], NDArray[np.int64]]]
"""By part: an array (N, H, W, ch), and which of its rows."""


def coordinates(representation: NDArray[np.float32]) -> tuple[NDArray[np.float32], str]:
    """(n, 2) places in a plane, and how they were found: t-SNE; for many images UMAP where it is installed, else PCA.

    Args:
        representation: (n, F), of which the directions count, as for the neighbours.
    """
    unit = unit_float32(representation)
    if len(unit) <= _MOST_TSNE:
        points, name = tsne_2d(unit)[0], "t-SNE"
    elif importlib.util.find_spec("umap") is not None:
        points, name = umap_2d(unit)[0], "UMAP"
    else:
        plane = pca_2d(unit[:: -(-len(unit) // _FITTED)])
        points, name = (unit - plane.mean) @ plane.components.T, "PCA"
    return points.astype(np.float32), name


def neighbours(representation: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]] | None:
    """(n, k) the rows nearest to each by cosine, the nearest first, and 1 - cosine of each; None of too many images."""
    count = min(NEIGHBOURS, len(representation) - 1)
    if count < 1 or len(representation) > _MOST_SEARCHED:
        return None
    ids, cosines = nearest_others(unit_float32(representation), count)
    return ids, 1 - cosines


def opening(path: Path, images: int) -> str:
    """The command that opens a table of so many images by these columns.

    Where none is named, embedding-atlas asks which to embed, and finds places and neighbours of its own.
    """
    near = " --neighbors neighbors" if 1 < images <= _MOST_SEARCHED else ""
    return f"embedding-atlas {shlex.quote(str(path))} --x x --y y{near} --image image"


def thumbnails(pictures: Pictures) -> Iterator[bytes]:
    """Each image as PNG, in the order of the parts and rows."""
    from PIL import Image

    count = sum(len(rows) for _, rows in pictures)
    for images, rows in pictures:
        side = int(np.clip((_MOST_BYTES / (max(1, count) * images.shape[-1])) ** 0.5, _LEAST_SIDE, _SIDE))
        for start in range(0, len(rows), _CHUNK):
            for image in shrink(np.asarray(images[rows[start : start + _CHUNK]]), side):
                buffer = io.BytesIO()
                Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, "PNG")
                yield buffer.getvalue()


def atlas_table(columns: dict[str, Any], representation: NDArray[np.float32], pictures: Pictures) -> tuple[Any, str]:
    """A table of `columns` and those of this file, and how x and y were found.

    `x` and `y`; `neighbors`, of rows of this table, with `ids` and `distances`; `image`, as Hugging Face writes them.
    """
    import pyarrow as pa  # comes with tensorflow-datasets

    places, how = coordinates(representation)
    added = {**columns, "x": pa.array(places[:, 0]), "y": pa.array(places[:, 1])}
    near = neighbours(representation)
    if near is not None:
        width = near[0].shape[1]
        offsets = pa.array(np.arange(0, near[0].size + 1, width, dtype=np.int32))
        lists = [pa.ListArray.from_arrays(offsets, pa.array(values.ravel())) for values in near]
        added["neighbors"] = pa.StructArray.from_arrays(lists, ["ids", "distances"])
    data = pa.array(thumbnails(pictures), pa.binary())
    added["image"] = pa.StructArray.from_arrays([data, pa.nulls(len(data), pa.string())], ["bytes", "path"])
    return pa.table(added), how
