from pathlib import Path

import numpy as np
import pytest

from simo2_core.config import Config
from simo2_core.data.dataset import DataPart
from simo2_core.evaluation import thumbnails
from simo2_core.evaluation.thumbnails import save_thumbnails, shrink
from simo2_core.run.directory import RunDirectory


def part_of(images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> DataPart:
    return DataPart(images, np.array([1, 4]), np.array([2, 1]))


def test_rows_are_those_of_the_part_and_written_once(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "run", Config())
    images = np.random.default_rng(0).integers(0, 255, (6, 8, 8, 3), np.uint8)
    save_thumbnails(run, part_of(images))
    with np.load(run.embeddings / "thumbnails.npz") as file:
        np.testing.assert_array_equal(file["images"], images[[1, 2, 4]])
    save_thumbnails(run, part_of(images[::-1]))
    with np.load(run.embeddings / "thumbnails.npz") as file:
        np.testing.assert_array_equal(file["images"], images[[1, 2, 4]])


def test_large_images_are_averaged_and_keep_their_shape() -> None:
    half = np.zeros((1, 64, 128, 1), np.uint8)
    half[:, :, 64:] = 200
    small = shrink(half, 32)
    assert small.shape == (1, 16, 32, 1)
    assert small[0, 8, 4, 0] == 0
    assert small[0, 8, 28, 0] == 200
    colour = np.zeros((2, 64, 64, 3), np.uint8) + np.array([10, 20, 30], np.uint8)
    np.testing.assert_array_equal(shrink(colour, 16)[1, 5, 5], [10, 20, 30])


def test_many_images_are_made_smaller_to_keep_the_file_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "MOST_BYTES", 3 * 3 * 36)
    run = RunDirectory.create(tmp_path, "run", Config())
    save_thumbnails(run, part_of(np.zeros((6, 64, 64, 3), np.uint8)))
    with np.load(run.embeddings / "thumbnails.npz") as file:
        assert file["images"].shape == (3, 6, 6, 3)
