"""A file of images is as long as it will be from the start, and loses rows in its place."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from simo2_core.data.pixels import drop_rows, header, make_file, write_at


def test_the_file_is_what_numpy_would_write(tmp_path: Path) -> None:
    make_file(tmp_path / "ours.npy", (5, 2, 3, 1))
    np.save(tmp_path / "theirs.npy", np.zeros((5, 2, 3, 1), np.uint8))
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()
    with pytest.raises(FileExistsError):
        make_file(tmp_path / "ours.npy", (5, 2, 3, 1))


def test_the_header_is_of_one_length_for_any_number_of_rows() -> None:
    assert len({len(header((rows, 224, 224, 3))) for rows in (0, 1, 10**6, 10**12)}) == 1


def test_a_file_system_that_reserves_nothing_gets_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")

    monkeypatch.setattr(os, "posix_fallocate", unable)
    make_file(tmp_path / "images.npy", (5000, 32, 32, 1))
    assert (tmp_path / "images.npy").stat().st_blocks * 512 >= 5000 * 1024
    assert not np.load(tmp_path / "images.npy").any()


def test_rows_are_dropped_in_place(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (1100, 64, 64, 1), np.uint8)  # more than one block
    np.save(tmp_path / "images.npy", images)
    rows = np.array([0, 7, 8, 1099])
    drop_rows(tmp_path / "images.npy", rows)
    np.save(tmp_path / "kept.npy", np.delete(images, rows, axis=0))
    assert (tmp_path / "images.npy").read_bytes() == (tmp_path / "kept.npy").read_bytes()


def test_a_short_write_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, place: real(file, data[:3], place))
    with (tmp_path / "file").open("wb") as file:
        write_at(file.fileno(), b"0123456789", 0)
    assert (tmp_path / "file").read_bytes() == b"0123456789"
