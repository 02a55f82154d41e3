"""Embeddings in the formats of other tools: numpy's .npz, Parquet, and TensorBoard's projector."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simo2_core.checkpoints.checkpoint import read_meta
from simo2_core.data.dataset import Dataset
from simo2_core.data.ids import image_ids
from simo2_core.data.progress import Report, silent
from simo2_core.errors import ConfigError
from simo2_core.evaluation.features import data_config, dataset_for, features_of, folder_of
from simo2_core.evaluation.thumbnails import shrink
from simo2_core.export.atlas import atlas_table
from simo2_core.run.directory import RunDirectory
from simo2_core.run.files import require_place, write_into

PARTS = ("train", "validation", "test")
"""What there is to export."""

_MOST_PIXELS = 8192
"""Of a side of the projector's sprite: more does not fit into a texture of every browser."""
_LEAST_THUMBNAIL = 8
"""Pixels; below that a sprite shows nothing."""
_CHUNK = 256


class EmbeddedImage(NamedTuple):
    """What an image is called, the part it is in and its class."""

    id: str
    part: str
    label: int


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What a checkpoint makes of some parts of a data set, row for row."""

    rows: list[EmbeddedImage]
    representation: NDArray[np.float32]
    """(n, F), pooled."""
    projection: NDArray[np.float32]
    """(n, D), unit rows."""
    class_names: tuple[str, ...]
    facts: dict[str, Any]
    """The checkpoint, its step, the data set and its fingerprint."""
    images: tuple[tuple[NDArray[np.uint8], NDArray[np.int64]], ...]
    """By part: an array (N, H, W, ch), and which of its rows, in the order of `rows`."""


def embed_dataset(
    run: RunDirectory,
    checkpoint: Path,
    *,
    data: str | None = None,
    parts: Sequence[str] = PARTS,
    report: Report = silent,
) -> Embeddings:
    """Embeds a data set, or finds in the run's folder what evaluating it has embedded before.

    Args:
        checkpoint: in `run`.
        data: a data set as for `simo2 train --dataset`; None for the run's own.
        parts: of `PARTS`.
        report: told how far preparing and decoding are.

    Raises:
        ConfigError: a part that does not exist.
        DataError: the data is missing, has changed since training, or does not fit the encoder.
        RunError: the checkpoint is damaged, or the disk refuses.
    """
    for name in parts:
        if name not in PARTS:
            raise ConfigError(f"{name!r} is no part of a data set; there are {', '.join(PARTS)}.")
    if not parts:
        raise ConfigError(f"no part is named; there are {', '.join(PARTS)}.")
    dataset = dataset_for(run, checkpoint, data, report=report)
    features = features_of(folder_of(run, checkpoint, data), checkpoint, dataset)
    ids = image_ids(data_config(run, read_meta(checkpoint)["image_shape"], data), dataset)
    kept = {name: part for name, part in dataset.parts.items() if name in parts}
    rows = [
        EmbeddedImage(id, name, label)
        for name, part in kept.items()
        for id, label in zip(ids[name], part.labels.tolist(), strict=True)
    ]
    return Embeddings(
        rows,
        np.concatenate([features[name].representation for name in kept]),
        np.concatenate([features[name].projection for name in kept]),
        dataset.class_names,
        _facts(run, checkpoint, dataset),
        tuple((part.images, part.rows) for part in kept.values()),
    )


def _facts(run: RunDirectory, checkpoint: Path, dataset: Dataset) -> dict[str, Any]:
    return {
        "run": run.name,
        "step": int(checkpoint.name),
        "data": dataset.name,
        "fingerprint": dataset.fingerprint,
        "image_shape": list(dataset.image_shape),
    }


def write_embeddings(path: Path, embeddings: Embeddings) -> list[Path]:
    """Writes embeddings in the format that `path` is named for, each file whole, and returns the files.

    `NAME.npz`: `representation` (n, F) and `projection` (n, D) float32; `label` (n,) int32; `id`, `part` (n,) and
    `class_names` (C,) text; `facts`, JSON.
    `NAME.parquet`: columns id, part, label, class, representation, projection, and those of `atlas.atlas_table`: x, y,
    neighbors, image; the facts in its schema's metadata.
    A name without a suffix: a folder that TensorBoard's projector opens, with the images as its sprite.

    Raises:
        ConfigError: any other suffix.
        RunError: the disk refuses.
    """
    if path.suffix == ".npz":
        write_into(path, _npz(embeddings), option="--out")
        return [path]
    if path.suffix == ".parquet":
        write_into(path, _parquet(embeddings), option="--out")
        return [path]
    require_known_format(path)
    return _projector(path, embeddings)


def require_known_format(path: Path) -> None:
    """Raises ConfigError unless `write_embeddings` can write to `path`: cheap, for before the work."""
    if path.suffix not in ("", ".npz", ".parquet"):
        raise ConfigError(
            f"{path} ends in {path.suffix}; it must end in .npz or .parquet, or in nothing for a folder that "
            "TensorBoard's projector opens."
        )
    require_place(path, folder=not path.suffix)


def _npz(embeddings: Embeddings) -> bytes:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        allow_pickle=False,
        representation=embeddings.representation,
        projection=embeddings.projection,
        label=np.array([row.label for row in embeddings.rows], np.int32),
        id=np.array([row.id for row in embeddings.rows]),
        part=np.array([row.part for row in embeddings.rows]),
        class_names=np.array(embeddings.class_names),
        facts=np.array(json.dumps(embeddings.facts)),
    )
    return buffer.getvalue()


def _parquet(embeddings: Embeddings) -> bytes:
    import pyarrow as pa  # comes with tensorflow-datasets
    import pyarrow.parquet as pq

    labels = np.array([row.label for row in embeddings.rows], np.int32)
    columns = {
        "id": pa.array([row.id for row in embeddings.rows]),
        "part": pa.array([row.part for row in embeddings.rows]),  # plain, for embedding-atlas colours by no dictionary
        "label": pa.array(labels),
        "class": pa.array([embeddings.class_names[row.label] for row in embeddings.rows]),
    }
    for name, matrix in (("representation", embeddings.representation), ("projection", embeddings.projection)):
        columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])
    table, how = atlas_table(columns, embeddings.representation, embeddings.images)
    facts = {**embeddings.facts, "xy": f"{how} of the representation"}
    table = table.replace_schema_metadata({"simo2": json.dumps(facts)})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _projector(folder: Path, embeddings: Embeddings) -> list[Path]:
    header = "class\tpart\tid\n"
    names = [_in_a_cell(name) for name in embeddings.class_names]
    cells = (f"{names[row.label]}\t{row.part}\t{_in_a_cell(row.id)}\n" for row in embeddings.rows)
    files = {"metadata.tsv": (header + "".join(cells)).encode()}
    sprite, size = _sprite(embeddings)
    shown = ""
    if sprite:
        files["sprite.png"] = sprite
        shown = f'  sprite {{ image_path: "sprite.png" single_image_dim: {size[0]} single_image_dim: {size[1]} }}\n'
    config = ""
    for name, matrix in (("projection", embeddings.projection), ("representation", embeddings.representation)):
        buffer = io.StringIO()
        np.savetxt(buffer, matrix, fmt="%.7g", delimiter="\t")
        files[f"{name}.tsv"] = buffer.getvalue().encode()
        config += (
            f'embeddings {{\n  tensor_name: "{name}"\n  tensor_path: "{name}.tsv"\n'
            f'  metadata_path: "metadata.tsv"\n{shown}}}\n'
        )
    files["projector_config.pbtxt"] = config.encode()  # last: it names the others
    for name, content in files.items():
        write_into(folder / name, content, option="--out")
    return [folder / name for name in files]


def _in_a_cell(text: str) -> str:
    return " ".join(text.split())


def _sprite(embeddings: Embeddings) -> tuple[bytes | None, tuple[int, int]]:
    """Thumbnails row by row in a square, as PNG, and the (width, height) of each; None where they would be too small.

    TensorBoard takes the square to hold as many thumbnails across as down.
    """
    from PIL import Image

    across = int(np.ceil(len(embeddings.rows) ** 0.5))
    side = min(64, _MOST_PIXELS // across)
    if side < _LEAST_THUMBNAIL:
        return None, (0, 0)
    pieces = (
        shrink(np.asarray(images[rows[start : start + _CHUNK]]), side)
        for images, rows in embeddings.images
        for start in range(0, len(rows), _CHUNK)
    )
    place = 0
    sheet = np.zeros((0, 0, 3), np.uint8)
    for some in pieces:
        height, width = some.shape[1:3]
        if not sheet.size:
            sheet = np.full((across * height, across * width, 3), 255, np.uint8)
        for image in some:
            down, right = place // across * height, place % across * width
            sheet[down : down + height, right : right + width] = image[..., :3]
            place += 1
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "PNG")
    return buffer.getvalue(), (width, height)
