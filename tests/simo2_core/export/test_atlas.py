"""Places, neighbours and thumbnails, held against what a reader trusts."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simo2_core.analysis import nearest
from simo2_core.export import atlas
from simo2_core.export.atlas import atlas_table, coordinates, neighbours, opening, thumbnails


def test_neighbours_are_the_nearest_by_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "_CHUNK", 7)
    points = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    found = neighbours(points)
    assert found is not None
    ids, distances = found
    assert ids.shape == (40, atlas.NEIGHBOURS)
    for row in range(40):
        cosine = points @ points[row] / np.linalg.norm(points, axis=1) / np.linalg.norm(points[row])
        order = [other for other in np.argsort(-cosine) if other != row][: atlas.NEIGHBOURS]
        assert ids[row].tolist() == order
        np.testing.assert_allclose(distances[row], 1 - cosine[order], atol=1e-6)
    few = neighbours(points[:3])
    assert few is not None
    assert few[0].shape == (3, 2)
    assert neighbours(points[:1]) is None
    monkeypatch.setattr(atlas, "_MOST_SEARCHED", 39)
    assert neighbours(points) is None


def test_many_images_are_laid_out_by_something_quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    points[:, 0] *= 10
    assert coordinates(points)[1] == "t-SNE"
    monkeypatch.setattr(atlas, "_MOST_TSNE", 10)
    monkeypatch.setattr(atlas, "_FITTED", 16)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    places, name = coordinates(points)
    assert (name, places.shape, places.dtype.name) == ("PCA", (30, 2), "float32")
    side = np.sign(points[:, 0])
    assert abs(np.corrcoef(places[:, 0], side)[0, 1]) > 0.9, "along the first axis lies what differs most"


def test_thumbnails_are_the_images_made_small() -> None:
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(0, 256, (4, 9, 5, 1), np.uint8), rng.integers(0, 256, (2, 100, 80, 3), np.uint8)
    made = [
        np.asarray(Image.open(io.BytesIO(data)))
        for data in thumbnails(((grey, np.array([2, 0])), (colour, np.arange(2))))
    ]
    np.testing.assert_array_equal(made[0], grey[2, ..., 0])
    assert [image.shape for image in made] == [(9, 5), (9, 5), (64, 51, 3), (64, 51, 3)]


def test_the_command_that_opens_it_names_the_columns_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert opening(Path("a b.parquet"), 30) == (
        "embedding-atlas 'a b.parquet' --x x --y y --neighbors neighbors --image image"
    )
    assert "neighbors" not in opening(Path("e.parquet"), 1)
    monkeypatch.setattr(atlas, "_MOST_SEARCHED", 29)
    assert "neighbors" not in opening(Path("e.parquet"), 30)


def test_one_image_has_no_neighbours_and_a_place() -> None:
    table, _ = atlas_table({}, np.ones((1, 3), np.float32), ((np.zeros((1, 4, 4, 1), np.uint8), np.arange(1)),))
    assert table.column_names == ["x", "y", "image"]
