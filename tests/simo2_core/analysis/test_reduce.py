import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from simo2_core.analysis.reduce import pca_2d, sample_by_class, tsne_2d, umap_2d
from simo2_core.errors import DataError


@pytest.fixture(scope="module")
def digits():
    pixels, labels = load_digits(return_X_y=True)
    return pixels, labels


def test_pca_agrees_with_scikit_learn_and_has_one_sign(digits):
    pixels, _ = digits
    ours, theirs = pca_2d(pixels), PCA(2).fit(pixels)
    np.testing.assert_allclose(ours.explained, theirs.explained_variance_ratio_, rtol=1e-9)
    np.testing.assert_allclose(np.abs(ours.points), np.abs(theirs.transform(pixels)), atol=1e-8)
    np.testing.assert_allclose((pixels - ours.mean) @ ours.components.T, ours.points, atol=1e-10)
    assert all(row[np.abs(row).argmax()] > 0 for row in ours.components)
    mirrored = pca_2d(-pixels)
    np.testing.assert_allclose(mirrored.components, ours.components, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 5), (2, 1), (7, 1), (2, 2)])
def test_pca_of_next_to_nothing(shape):
    plane = pca_2d(np.arange(np.prod(shape), dtype=float).reshape(shape) ** 2)
    assert plane.points.shape == (shape[0], 2)
    assert np.isfinite(plane.points).all()
    assert np.isfinite(plane.explained).all()


def test_tsne_parts_the_digits_and_repeats_exactly(digits):
    pixels, labels = digits
    rows = sample_by_class(labels, 150)
    first, perplexity = tsne_2d(pixels[rows])
    second, _ = tsne_2d(pixels[rows])
    np.testing.assert_array_equal(first, second)
    assert perplexity == 30
    distance = np.linalg.norm(first[:, None] - first[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert np.mean(labels[rows][distance.argmin(axis=1)] == labels[rows]) > 0.85


def test_tsne_clips_perplexity_and_survives_collapse():
    points, used = tsne_2d(np.random.default_rng(0).normal(size=(7, 3)))
    assert used == 2
    assert np.isfinite(points).all()
    for same in (np.ones((20, 3)), np.eye(3)):
        points, used = tsne_2d(same)
        assert used == 0
        assert points.shape == (len(same), 2)
        assert np.isfinite(points).all()


def test_umap_keeps_neighbours_and_repeats():
    pytest.importorskip("umap")
    pixels, labels = load_digits(return_X_y=True)
    rows = np.arange(0, 1797, 6)
    points, used = umap_2d(pixels[rows])
    assert used == 15
    np.testing.assert_array_equal(points, umap_2d(pixels[rows])[0])
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert np.mean(labels[rows][distance.argmin(axis=1)] == labels[rows]) > 0.85
    assert umap_2d(np.eye(4))[1] == 0


def test_sampling_is_even_by_class_and_repeats():
    labels = np.repeat([0, 1, 2], [100, 3, 50])
    rows = sample_by_class(labels, 23)
    assert np.bincount(labels[rows]).tolist() == [10, 3, 10]
    assert np.all(np.diff(rows) > 0)
    np.testing.assert_array_equal(rows, sample_by_class(labels, 23))
    assert not np.array_equal(rows, sample_by_class(labels, 23, seed=1))
    np.testing.assert_array_equal(sample_by_class(labels, 153), np.arange(153))
    assert len(sample_by_class(np.arange(9), 4)) == 4


def test_refuses_what_cannot_be_drawn():
    for points in (np.zeros((0, 3)), np.array([[1.0, np.inf]]), np.zeros(3)):
        with pytest.raises(DataError, match="cannot be drawn"):
            pca_2d(points)


@pytest.mark.parametrize("shape", [(400, 12), (12, 400), (30, 30)])
def test_many_points_and_many_dimensions_give_the_axes_that_the_points_themselves_give(shape):
    points = np.random.default_rng(3).normal(size=shape) * np.geomspace(3, 0.1, shape[1])
    centred = points - points.mean(axis=0)
    _, sigma, rows = np.linalg.svd(centred, full_matrices=False)
    plane = pca_2d(points)
    np.testing.assert_allclose(np.abs(plane.components @ rows[:2].T), np.eye(2), atol=1e-9)
    np.testing.assert_allclose(plane.explained, sigma[:2] ** 2 / (sigma**2).sum(), rtol=1e-9)
    flat = pca_2d(np.outer(np.arange(50.0), np.ones(3)))
    np.testing.assert_allclose(flat.explained, [1, 0], atol=1e-12)
    np.testing.assert_allclose(flat.points[:, 1], 0, atol=1e-6)
