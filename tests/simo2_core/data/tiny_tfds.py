"""Tiny real copies of TFDS data sets: the real builder, its real features and files, other pictures."""

import functools
import io
import json
import shutil
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from simo2_core.data.prepare_child import temporary_files_go
from simo2_core.data.sources.tfrecord import crc32c, masked


def colour_of(label: int, channels: int) -> tuple[int, ...]:
    """The colour that stands for a class, apart from every other by more than a JPEG blurs."""
    if channels == 1:
        return (5 * label + 3,)
    return (16 * (label % 16), 16 * (label // 16 % 16), 60 * (label // 256))


@functools.cache
def flat_image(label: int, shape: tuple[int, int, int], format: str) -> bytes:
    """An image file of the colour of `label`."""
    pixels = np.broadcast_to(np.array(colour_of(label, shape[2]), np.uint8), shape)
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if shape[2] == 1 else pixels)
    image.save(buffer, format, **({"quality": 95} if format == "JPEG" else {}))
    return buffer.getvalue()


def prepare_tiny(
    name: str,
    data_dir: Path,
    per_class: Mapping[str, int],
    *,
    file_format: str = "array_record",
    image: Any = flat_image,
    unlabelled: str | None = None,
) -> Path:
    """Writes `per_class[split]` images of each class of each split; returns the folder of the version.

    Args:
        image: from (label, shape, format) to what TFDS is given as the image.
        unlabelled: a split whose labels are all −1.
    """
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    with temporary_files_go():
        builder = tfds.builder(name, data_dir=data_dir, file_format=file_format)
    features = builder.info.features

    def example(split: str, index: int) -> dict[str, Any]:
        label = index % features["label"].num_classes
        values: dict[str, Any] = {}
        for key, kind in features.items():
            if isinstance(kind, tfds.features.Image):
                height, width, channels = kind.shape
                shape = (height or 40 + index % 3, width or 44 - index % 2, channels)
                values[key] = image(label, shape, "JPEG" if kind.encoding_format == "jpeg" else "PNG")
            elif isinstance(kind, tfds.features.ClassLabel):
                values[key] = -1 if split == unlabelled else index % kind.num_classes
            elif isinstance(kind, tfds.features.Text):
                values[key] = f"{split}_{index}"
            elif isinstance(kind, tfds.features.BBoxFeature):
                values[key] = tfds.features.BBox(0.0, 0.0, 1.0, 1.0)
            else:
                assert isinstance(kind, tfds.features.Sequence), key
                values[key] = []
        return values

    def generate(split: str, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for index in range(count):
            yield index, example(split, index)

    classes = features["label"].num_classes
    builder._split_generators = lambda _: {split: generate(split, n * classes) for split, n in per_class.items()}
    builder.download_and_prepare(file_format=file_format)
    return Path(builder.data_dir)


def as_tfrecord(folder: Path, data_dir: Path, version: str | None = None) -> Path:
    """Copies a version prepared as array_record into `data_dir` as tfrecord, as `version` where one is given."""
    from array_record.python.array_record_module import ArrayRecordReader

    info = json.loads((folder / "dataset_info.json").read_text())
    parts = [info["name"], *([info["configName"]] if "configName" in info else []), version or info["version"]]
    target = data_dir.joinpath(*parts)
    target.mkdir(parents=True)
    info |= {"fileFormat": "tfrecord", "version": parts[-1]}
    (target / "dataset_info.json").write_text(json.dumps(info))
    for path in folder.iterdir():
        if ".array_record-" in path.name:
            reader = ArrayRecordReader(str(path))
            records = reader.read_all()
            (target / path.name.replace("array_record", "tfrecord")).write_bytes(b"".join(map(framed, records)))
            reader.close()
        elif path.name != "dataset_info.json":
            shutil.copy(path, target)
    return target


def framed(record: bytes) -> bytes:
    """A record as a tfrecord file holds it."""
    length = struct.pack("<Q", len(record))
    checked = (struct.pack("<I", masked(crc32c(part))) for part in (length, record))
    return length + next(checked) + record + next(checked)
