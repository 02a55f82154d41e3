"""Arrays of pixels as they lie on disk, and what is refused of them."""

import contextlib
import gzip
import os
import pickle
import re
import struct
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simo2_core.data.load import load_dataset
from simo2_core.data.sources import array_files, place
from simo2_core.data.sources.array_files import NpzArrays, open_idx, open_npy
from simo2_core.data.sources.arrays import open_arrays
from simo2_core.data.sources.open import claimant
from simo2_core.data.sources.pickled_arrays import read_pickle
from simo2_core.errors import DataError
from tests.simo2_core.data.pictures import config
from tests.simo2_core.data.sources import written


@pytest.mark.parametrize("fine", [False, True])
@pytest.mark.parametrize(("protocol", "as_bytes"), [(2, False), (4, False), (2, True), (4, True)])
def test_cifar_as_torchvision_keeps_it(tmp_path: Path, fine: bool, protocol: int, as_bytes: bool) -> None:
    root = written.cifar(tmp_path / "data", fine, protocol, as_bytes)
    assert claimant(config(root)).name == "arrays"
    source = open_arrays(root, config(root))
    train, test = source.split("train"), source.split("test")
    assert (train.class_names, train.own_shape) == (("cat", "dog", "emu"), (32, 32, 3))
    assert source.empty_classes == ("unseen",)
    assert (len(train.records), len(test.records)) == (12 if fine else 15, 6)
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (12 if fine else 3, 3072), dtype=np.uint8)[0].reshape(3, 32, 32)
    data = next(train.records.images())
    assert isinstance(data, bytes)
    assert data == b"P6\n32 32\n255\n" + np.moveaxis(first, 0, -1).tobytes()
    if fine:
        assert open_arrays(root, config(root, label_key="coarse_labels")).split("train").class_names == ("animal",)


def test_cifar_without_a_batch_is_refused(tmp_path: Path) -> None:
    root = written.cifar(tmp_path / "data")
    (root / "cifar-10-batches-py" / "data_batch_3").unlink()
    with pytest.raises(DataError, match="lacks data_batch_3"):
        open_arrays(root, config(root))


_ODD: list[Any] = [None, 3, 2.5, b"\xff", "cat", [], [1], [b"a", 3], [[1], 2], {}, {"a": [1]}, np.zeros(3), np.eye(2)]


@given(st.sampled_from(["label_names", "labels", "data"]), st.sampled_from(_ODD), st.booleans())
def test_whatever_a_batch_of_cifar_holds_it_is_read_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, key: str, odd: Any, whole: bool
) -> None:
    root = tmp_path_factory.getbasetemp() / "odd-cifar"
    if not root.exists():
        written.cifar(root)
    inner = root / "cifar-10-batches-py"
    path = inner / ("batches.meta" if key == "label_names" else "data_batch_1")
    before = path.read_bytes()
    path.write_bytes(pickle.dumps(odd if whole else {**pickle.loads(before), key: odd}, protocol=2))
    said = ""
    try:
        source = open_arrays(root, config(root))
        assert all(source.split(name).class_names for name in source.splits)
    except DataError as error:
        said = str(error)
    finally:
        path.write_bytes(before)
    assert "\n" not in said


@pytest.mark.parametrize("pack", [False, True])
def test_mnist_as_torchvision_keeps_it(tmp_path: Path, pack: bool) -> None:
    root = written.mnist(tmp_path / "data", pack)
    data = load_dataset(config(root))
    assert data.class_names == ("0", "1", "2", "3")
    assert data.image_shape == (9, 8, 1)
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 36, "validation": 4, "test": 20}
    assert load_dataset(config(root / "MNIST" / "raw")).fingerprint == data.fingerprint


def test_a_test_array_a_bare_one_and_other_sizes(tmp_path: Path) -> None:
    images, labels = written.pixels(), written.labels()
    np.savez(tmp_path / "a.npz", x_train=images, y_train=labels, x_test=images[:5], x_val=images, y_val=labels)
    settings = config(tmp_path / "a.npz", image_size=4, channels=1)
    data = load_dataset(settings)
    assert data.image_shape == (4, 4, 1)
    assert [len(part) for part in data.parts.values()] == [18, 3, 21], "the labelled one tests"
    (note,) = (note for note in data.notes if note.code == "unused")
    assert note.message == "not used: 5 images without labels in 'test'."


class _Code:
    def __init__(self, what: Any, *args: Any) -> None:
        self.what = (what, args)

    def __reduce__(self) -> Any:
        return self.what


@pytest.mark.parametrize(
    "content",
    [
        _Code(os.mkdir, "made"),
        _Code(eval, "1"),
        _Code(getattr, "", "join"),
        np.array([object], dtype=object),
        {"data": np.array([{}], dtype=object)},
        np.array([1], dtype=[("a", "i4")]),
    ],
)
def test_a_pickle_that_runs_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").write_bytes(pickle.dumps(content, protocol=2))
    message = r"^p is a pickle that asks for more than numbers and texts .*; it is not run"
    with pytest.raises(DataError, match=message) as error:
        read_pickle(Path("p"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "made").exists()


GOOD = pickle.dumps({"data": np.arange(6, dtype=np.uint8).reshape(2, 3), "labels": [1, 2], "n": b"x"}, protocol=2)


def test_pickled_arrays_are_those_that_pickle_reads(tmp_path: Path) -> None:
    for protocol in range(6):
        for array in (np.arange(6, dtype=">i4").reshape(2, 3), np.asfortranarray(np.eye(3)), np.zeros(0, np.uint8)):
            (tmp_path / "p").write_bytes(pickle.dumps({"a": array}, protocol=min(protocol, 4)))
            np.testing.assert_array_equal(read_pickle(tmp_path / "p")["a"], array)


class _Python2(pickle._Pickler):
    """Writes texts and the bytes of arrays as Python 2 did, in which CIFAR's authors wrote theirs."""

    dispatch: ClassVar[dict] = {**pickle._Pickler.dispatch}

    def save_bytes(self, data: bytes) -> None:
        vars(self)["write"](pickle.BINSTRING + struct.pack("<i", len(data)) + data)

    dispatch[bytes] = save_bytes


def test_what_python_2_has_written(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3072), np.uint8)
    with (tmp_path / "p").open("wb") as file:
        _Python2(file, protocol=2).dump({b"data": pixels, b"labels": [3, 1], b"batch_label": b"training batch 1 of 5"})
    found = read_pickle(tmp_path / "p")
    np.testing.assert_array_equal(found["data"], pixels)
    assert (found["labels"], found["batch_label"]) == ([3, 1], "training batch 1 of 5")


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=6))
def test_whatever_a_pickle_holds_it_is_read_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, place: int, noise: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "pickle"
    path.write_bytes(GOOD[:place] + noise + GOOD[place + len(noise) :])
    with contextlib.suppress(DataError):
        read_pickle(path)


def _npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def _with_header(shape: tuple[int, ...]) -> bytes:
    """A `.npy` file of 4 bytes that says it has `shape`."""

    def write(buffer: Any) -> None:
        np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
        buffer.write(b"four")

    return written.buffer_of(write)


IMAGES, LABELS = np.zeros((6, 4, 4, 3), np.uint8), np.arange(6) % 2
UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "labels that are floats": ({"y": LABELS / 2}, "6 of 6 labels are neither names nor whole numbers from 0"),
    "labels that are no numbers": ({"y": np.full(6, np.nan)}, r"6 of 6 labels are neither .*such as nan"),
    "negative labels": ({"y": LABELS - 1}, r"3 of 6 labels are below 0 \(such as -1\)"),
    "several labels": (
        {"y": np.eye(6, dtype=int)},
        r"6 of 6 images have several labels \(such as \[1, 0.*--label-key, "
        "or train without labels: --labels none",
    ),
    "too few labels": ({"y": LABELS[:5]}, "there must be one for each of 6"),
    "too few names": (
        {"y": LABELS, "class_names": np.array(["a"])},
        "3 of 6 labels have no name among those of 1",
    ),
    "names of numbers": ({"y": LABELS, "class_names": np.arange(2)}, "names of classes must be a list of texts"),
    "objects": ({"y": np.array([{}] * 6, object)}, "an array of Python objects, which only code could read"),
    "images that are floats": ({"x": IMAGES / 255, "y": LABELS}, r"is float64 \(6, 4, 4, 3\); images must be uint8"),
    "images of four channels": ({"x": np.zeros((6, 4, 4, 4), np.uint8), "y": LABELS}, "images must be uint8"),
    "no images": ({"x": IMAGES[:0], "y": LABELS[:0]}, "holds no image"),
    "no array of images": ({"pictures": IMAGES, "x": None}, "none is called images, or x"),
    "a key that is not there": ({"y": LABELS, "label_key": "z"}, "has no 'z' for --label-key; it has y"),
}


@pytest.mark.parametrize("what", UNFIT)
def test_unfit_arrays_are_one_line(tmp_path: Path, what: str) -> None:
    given, message = UNFIT[what]
    arrays = {name: value for name, value in {"x": IMAGES, **given}.items() if value is not None}
    label_key = arrays.pop("label_key", None)
    path = _npz(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message) as error:
        open_arrays(path, config(path, label_key=label_key)).split("train")
    assert "\n" not in str(error.value)


def test_several_labels_or_none_train_without_labels(tmp_path: Path) -> None:
    for name, arrays in {"several": {"y": np.eye(30, dtype=int)}, "none": {}}.items():
        images = np.random.default_rng(0).integers(0, 255, (30, 4, 4), np.uint8)
        path = _npz(tmp_path / f"{name}.npz", x=images, **arrays)
        data = load_dataset(config(path, labels="none"))
        assert (data.class_names, len(data.train)) == (("image",), 22)
    with pytest.raises(DataError, match=r"30 images in all; at least 2 are needed.*--labels none"):
        load_dataset(config(path))


def test_headers_that_lie_are_found_before_memory_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lie = _with_header((2**40, 1, 1))
    (tmp_path / "x.npy").write_bytes(lie)
    with pytest.raises(DataError, match="says that it holds 1,099,511,627,776 bytes; there are 4"):
        open_npy(tmp_path / "x.npy")
    for pack in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / "x.npz", "w", pack) as file:
            file.writestr("x.npy", lie)
        with pytest.raises(DataError, match="says that it holds 1,099,511,627,776 bytes; there are 4"):
            NpzArrays(tmp_path / "x.npz")["x"]
    (tmp_path / "i").write_bytes(struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**10, 2**10) + b"four")
    with pytest.raises(DataError, match=r"i says that it holds .* of memory are free"):
        open_idx(tmp_path / "i")
    # a bomb: a few bytes that say truly that they unpack to many
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((1000, 100), np.uint8))
    monkeypatch.setattr(place, "host_memory_free", lambda: 100_000)
    with pytest.raises(
        DataError, match=r"says that it holds 100 kB; 100 kB of memory are free\. Save it with numpy.savez"
    ):
        NpzArrays(tmp_path / "bomb.npz")["x"]


@pytest.mark.parametrize("name", ["a.npz", "p.npz", "x.npy", "i-idx3-ubyte", "i.gz"])
def test_whatever_is_cut_off_is_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    images = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    if name.endswith("npz"):
        (np.savez if name[0] == "a" else np.savez_compressed)(path, x=images)
    elif name.endswith("npy"):
        np.save(path, images)
    else:
        path.write_bytes(gzip.compress(written.idx(images)) if name.endswith("gz") else written.idx(images))
    whole = path.read_bytes()
    read: Any = {"z": lambda p: NpzArrays(p)["x"], "y": open_npy}.get(name[-1], open_idx)
    read = open_idx if name.endswith("gz") else read
    np.testing.assert_array_equal(read(path), images)
    for length in range(0, len(whole) - 8 if name.endswith("gz") else len(whole), 3):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError) as error:
            read(path)
        assert "\n" not in str(error.value)


def test_only_its_own_rows_travel_to_a_worker(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((10_000, 8, 8, 3), np.uint8))
    np.save(tmp_path / "y.npy", np.arange(10_000) % 2)
    records = open_arrays(tmp_path, config(tmp_path)).split("train").records
    some = records.take(np.array([9000, 2]))
    sent = pickle.dumps(some)
    assert len(sent) < 2000
    assert list(pickle.loads(sent).names()) == list(some.names()) == ["x record 9000", "x record 2"]
    assert list(pickle.loads(sent).images()) == list(some.images())


def test_members_are_mapped_where_they_can_be(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGES, y=LABELS)
    assert isinstance(array_files.NpzArrays(tmp_path / "a.npz")["x"], np.memmap)
    with pytest.raises(DataError, match=re.escape(f"{tmp_path}/gone.npz is not there")):
        open_arrays(tmp_path / "gone.npz", config(tmp_path))
