"""One small set of images, written in every format that is read."""

import gzip
import io
import json
import pickle
import struct
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.simo2_core.data.pictures import encoded, picture

CLASSES = ("cat", "dog", "emu")
COUNT = 7
"""Images of each class."""
SIDE = 8


def pixels(seed: int = 0) -> NDArray[np.uint8]:
    """(21, 8, 8, 3) by class."""
    some = [np.asarray(picture(seed + number, (SIDE, SIDE))) for number in range(COUNT * len(CLASSES))]
    return np.stack(some)


def labels() -> NDArray[np.int64]:
    """(21,) the class of each."""
    return np.repeat(np.arange(len(CLASSES)), COUNT)


def files() -> dict[str, bytes]:
    """PNG files by path: CLASS/NUMBER.png, in the order of `pixels`."""
    from PIL import Image

    return {
        f"{CLASSES[label]}/{row % COUNT}.png": encoded(Image.fromarray(image))
        for row, (image, label) in enumerate(zip(pixels(), labels(), strict=True))
    }


def folder(root: Path) -> Path:
    """A folder for each class."""
    for path, data in files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def npz(root: Path) -> Path:
    """One file, not packed."""
    root.mkdir()
    np.savez(root / "set.npz", images=pixels(), labels=labels(), class_names=np.array(CLASSES))
    return root / "set.npz"


def packed_npz(root: Path) -> Path:
    """One file, packed, its labels texts and its channels first."""
    root.mkdir()
    images = np.moveaxis(pixels(), -1, 1)
    np.savez_compressed(root / "set.npz", x_train=images, y_train=np.array(CLASSES)[labels()][:, None])
    return root / "set.npz"


def npy(root: Path) -> Path:
    """A pair of files."""
    root.mkdir()
    np.save(root / "train_images.npy", pixels())
    np.save(root / "train_labels.npy", np.array(CLASSES)[labels()])
    return root


def table(root: Path, suffix: str = ".csv") -> Path:
    """A folder of files in no order that matters, and a table of them."""
    rows = []
    for number, (path, data) in enumerate(files().items()):
        name, file = path.split("/")[0], f"pictures/{number % 2}/{100 - number}.png"
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(data)
        rows.append({"path": file, "label": name})
    table = root / f"set{suffix}"
    if suffix == ".jsonl":
        table.write_text("\n".join(map(json.dumps, rows)))
    else:
        sign = "," if suffix == ".csv" else "\t"
        table.write_text("\r\n".join(sign.join(cells) for cells in [["path", "label"], *map(dict.values, rows)]))
    return table


HF_FEATURES = {"image": {"_type": "Image"}, "label": {"names": list(CLASSES), "_type": "ClassLabel"}}


def hf_table(rows: Sequence[int]) -> Any:
    """Some rows of the set as Hugging Face writes them."""
    import pyarrow as pa

    known = list(files().items())
    image = pa.array(
        [{"bytes": known[row][1], "path": known[row][0]} for row in rows],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    table = pa.table({"image": image, "label": pa.array([row // COUNT for row in rows], pa.int64())})
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": HF_FEATURES}})})


def parquet(root: Path) -> Path:
    """Two shards of several groups of rows."""
    from pyarrow import parquet

    (root / "data").mkdir(parents=True)
    for number, rows in enumerate((range(10), range(10, 21))):
        path = root / "data" / f"train-{number:05}-of-00002.parquet"
        parquet.write_table(hf_table(rows), path, row_group_size=4)
    return root


def saved(root: Path) -> Path:
    """A folder as `datasets.save_to_disk` makes one."""
    import pyarrow as pa

    folder = root / "train"
    folder.mkdir(parents=True)
    (root / "dataset_dict.json").write_text('{"splits": ["train"]}')
    names = [f"data-{number:05}-of-00002.arrow" for number in range(2)]
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": HF_FEATURES}))
    for name, rows in zip(names, (range(10), range(10, 21)), strict=True):
        table = hf_table(rows).replace_schema_metadata(None)
        with pa.OSFile(str(folder / name), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=4)
    return root


def parquet_of_paths(root: Path) -> Path:
    """A table of paths."""
    import pyarrow as pa
    from pyarrow import parquet

    folder(root)
    names = pa.array([CLASSES[label] for label in labels()]).dictionary_encode()
    parquet.write_table(pa.table({"path": list(files()), "label": names}), root / "set.parquet")
    return root / "set.parquet"


def tar_of(members: Sequence[tuple[str, bytes]]) -> bytes:
    """A tar file of some files."""

    def write(buffer: io.BytesIO) -> None:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, data in members:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))

    return buffer_of(write)


def shards(root: Path, label: str = "cls") -> Path:
    """Two shards, labelled by number or by name, and a pattern of them."""
    root.mkdir()
    known = list(files().items())
    for number, rows in enumerate((range(10), range(10, 21))):
        members = []
        for row in rows:
            name = CLASSES[row // COUNT]
            told = str(row // COUNT).encode() if label == "cls" else json.dumps({"class": name, "note": 1}).encode()
            members += [(f"{row:04}.{label}", told), (f"{row:04}.png", known[row][1])]
        (root / f"train-{number:04}.tar").write_bytes(tar_of(members))
    if label == "cls":
        (root / "classnames.txt").write_text("\n".join(CLASSES) + "\n")
    return root if label == "cls" else root / "train-{0000..0001}.tar"


FORMATS: dict[str, Callable[[Path], Path]] = {
    "folder": folder,
    "npz": npz,
    "packed_npz": packed_npz,
    "npy": npy,
    "csv": table,
    "tsv": lambda root: table(root, ".tsv"),
    "jsonl": lambda root: table(root, ".jsonl"),
    "parquet": parquet,
    "saved": saved,
    "parquet_of_paths": parquet_of_paths,
    "shards": shards,
    "shards_with_json": lambda root: shards(root, "json"),
}
"""By name, what writes the set into a folder that is not there yet, and returns what to give as the data set."""


def cifar(root: Path, fine: bool = False, protocol: int = 2, as_bytes: bool = False) -> Path:
    """CIFAR-10 or CIFAR-100 with a few images, as their authors pickled them, or with its texts as bytes."""
    inner = root / ("cifar-100-python" if fine else "cifar-10-batches-py")
    inner.mkdir(parents=True)
    rng = np.random.default_rng(0)
    text: Callable[[str], object] = str.encode if as_bytes else str

    def write(path: Path, told: dict[str, object]) -> None:
        path.write_bytes(pickle.dumps({text(key): value for key, value in told.items()}, protocol=protocol))

    def batch(name: str, count: int) -> None:
        data = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
        numbers = [place % 3 for place in range(count)]
        told = {"fine_labels": numbers, "coarse_labels": [0] * count} if fine else {"labels": numbers}
        write(inner / name, {"data": data, "batch_label": text(name), **told})

    for name in ("train",) if fine else [f"data_batch_{number}" for number in range(1, 6)]:
        batch(name, 12 if fine else 3)
    batch("test" if fine else "test_batch", 6)
    names = [text(name) for name in ("cat", "dog", "emu", "unseen")]
    if fine:
        write(inner / "meta", {"fine_label_names": names, "coarse_label_names": [text("animal")]})
    else:
        write(inner / "batches.meta", {"label_names": names})
    return root


def idx(array: NDArray[np.uint8]) -> bytes:
    """The bytes of an idx file."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def mnist(root: Path, pack: bool = False) -> Path:
    """MNIST with a few images, as torchvision keeps it."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count in (("train", 40), ("t10k", 20)):
        images = rng.integers(0, 256, (count, 9, 8), dtype=np.uint8)
        numbers = (np.arange(count) % 4).astype(np.uint8)
        for what, array in (("images-idx3", images), ("labels-idx1", numbers)):
            data = idx(array)
            name = f"{split}-{what}-ubyte"
            (raw / (name + ".gz" * pack)).write_bytes(gzip.compress(data) if pack else data)
    return root


def buffer_of(write: Callable[[io.BytesIO], object]) -> bytes:
    """What `write` puts into a file."""
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()
