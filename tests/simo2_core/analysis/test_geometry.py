import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from simo2_core.analysis import geometry
from simo2_core.errors import DataError


def random_rotation(d, seed):
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    return q * np.sign(np.diag(r))


def test_class_means_by_hand_and_an_empty_class_is_unknown():
    means = geometry.class_means(np.array([[1.0, 0], [0, 1], [0, -1]]), np.array([0, 0, 2]), 3)
    np.testing.assert_array_equal(means, [[0.5, 0.5], [np.nan, np.nan], [0, -1]])


def test_class_gram_is_signed():
    embeddings = np.array([[1.0, 0], [3, 0], [-2, 0], [0, 1], [1, 1]])
    gram = geometry.class_gram(embeddings, np.array([0, 0, 1, 2, 3]), 4)
    half = 1 / math.sqrt(2)
    np.testing.assert_allclose(
        gram, [[1, -1, 0, half], [-1, 1, 0, -half], [0, 0, 1, half], [half, -half, half, 1]], atol=1e-15
    )
    assert geometry.largest_class_cosine(gram) == geometry.least_class_cosine(gram) == -1
    assert geometry.least_class_cosine(-gram) == pytest.approx(-half)
    pairs = geometry.most_confused_pairs(gram, 3)
    assert [(i, j) for i, j, _ in pairs] == [(0, 1), (0, 3), (1, 3)]
    assert [c for *_, c in pairs] == pytest.approx([-1, half, -half])
    assert geometry.mean_squared_cosine(gram) == pytest.approx((1 + 3 * 0.5) / 6)


def test_gram_of_a_class_without_images_or_without_direction():
    gram = geometry.class_gram(np.array([[1.0, 0], [0, 1], [0, -1]]), np.array([0, 1, 1]), 3)
    np.testing.assert_array_equal(gram, [[1, 0, np.nan], [0, 1, np.nan], [np.nan, np.nan, np.nan]])
    assert geometry.most_confused_pairs(gram, 9) == [(0, 1, 0.0)]
    assert geometry.least_class_cosine(gram) == 0
    assert math.isnan(geometry.least_class_cosine(np.ones((1, 1))))
    assert geometry.mean_squared_cosine(gram) == 0
    assert math.isnan(geometry.largest_class_cosine(np.ones((1, 1))))
    assert math.isnan(geometry.mean_squared_cosine(np.ones((1, 1))))


def test_three_lines_in_the_plane_have_the_least_mean_squared_cosine():
    angles = np.array([0, 2, 4]) * np.pi / 3
    gram = geometry.class_gram(np.stack([np.cos(angles), np.sin(angles)], axis=1), np.arange(3), 3)
    assert geometry.mean_squared_cosine(gram) == pytest.approx(0.25, abs=1e-15)


def test_effective_rank_by_hand():
    assert geometry.effective_rank(np.repeat(np.eye(5), 7, axis=0)) == pytest.approx(5, abs=1e-12)
    assert geometry.effective_rank(np.ones((9, 4))) == pytest.approx(1, abs=1e-6)
    # singular values 3 and 1: shares 3/4 and 1/4
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert geometry.effective_rank(np.diag([3.0, 1.0])) == pytest.approx(math.exp(entropy), abs=1e-12)
    # not centred: a common offset counts
    assert geometry.effective_rank(np.array([[1.0, 1], [1, -1]])) == pytest.approx(2, abs=1e-12)
    assert geometry.effective_rank(np.zeros((3, 2))) == 0
    assert math.isnan(geometry.effective_rank(np.array([[1.0, np.nan]])))


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 12), d=st.integers(1, 6), seed=st.integers(0, 999))
def test_rotating_the_embedding_changes_no_geometry(n, d, seed):
    rng = np.random.default_rng(seed)
    z, labels = rng.normal(size=(n, d)), rng.integers(0, 3, n)
    turned = z @ random_rotation(d, seed)
    assert geometry.effective_rank(turned) == pytest.approx(geometry.effective_rank(z), rel=1e-9)
    assert 1 - 1e-9 <= geometry.effective_rank(z) <= min(n, d) + 1e-9
    np.testing.assert_allclose(geometry.class_gram(turned, labels, 3), geometry.class_gram(z, labels, 3), atol=1e-9)
    before, after = geometry.cosine_distributions(z, labels), geometry.cosine_distributions(turned, labels)
    assert after.different_mean_abs == pytest.approx(before.different_mean_abs, abs=1e-9, nan_ok=True)
    np.testing.assert_allclose(geometry.procrustes_align(turned, z), z, atol=1e-9)


def test_cosine_distributions_by_hand():
    # class 0 at +x and +x, class 1 at -x and +y
    z = np.array([[1.0, 0], [2, 0], [-1, 0], [0, 3]])
    found = geometry.cosine_distributions(z, np.array([0, 0, 1, 1]), bins=4)
    np.testing.assert_array_equal(found.edges, [-1, -0.5, 0, 0.5, 1])
    assert found.same.tolist() == [0, 0, 1, 1]  # (2, 3) at 0 and (0, 1) at 1
    assert found.different.tolist() == [2, 0, 2, 0]  # (0, 2), (1, 2) at -1 and (0, 3), (1, 3) at 0
    assert (found.same_mean, found.different_mean, found.different_mean_abs) == (0.5, -0.5, 0.5)
    assert found.images == 4


def test_cosine_distributions_match_numpy_histogram_and_say_when_they_sample():
    rng = np.random.default_rng(3)
    z, labels = rng.normal(size=(90, 3)), rng.integers(0, 4, 90)
    found = geometry.cosine_distributions(z, labels, bins=17)
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    i, j = np.triu_indices(90, 1)
    cosines, same = (unit @ unit.T)[i, j], labels[i] == labels[j]
    np.testing.assert_array_equal(found.same, np.histogram(cosines[same], found.edges)[0])
    np.testing.assert_array_equal(found.different, np.histogram(cosines[~same], found.edges)[0])
    drawn = geometry.cosine_distributions(z, labels, at_most=50)
    assert drawn.images == 50
    assert drawn.same.sum() + drawn.different.sum() == 50 * 49 / 2
    again = geometry.cosine_distributions(z, labels, at_most=50)
    np.testing.assert_array_equal(drawn.same, again.same)


def test_no_pair_has_no_mean():
    found = geometry.cosine_distributions(np.eye(2), np.array([0, 1]))
    assert math.isnan(found.same_mean)
    assert found.different_mean == 0


def test_procrustes_undoes_a_mirror_and_keeps_distances():
    points = np.array([[1.0, 0], [0, 2], [-1, 1]])
    mirrored = points * [1, -1]
    np.testing.assert_allclose(geometry.procrustes_align(mirrored, points), points, atol=1e-12)
    moved = geometry.procrustes_align(points * 3, points)
    np.testing.assert_allclose(moved, points * 3, atol=1e-12)  # turned only: scale is kept


def test_refuses_shapes_and_labels_that_do_not_fit():
    with pytest.raises(DataError, match="0 to 1"):
        geometry.class_means(np.eye(3), np.array([0, 1, 2]), 2)
    with pytest.raises(DataError, match=r"\(n, d\)"):
        geometry.class_gram(np.eye(3), np.array([0, 1]), 2)
    with pytest.raises(DataError, match="reference"):
        geometry.procrustes_align(np.eye(3), np.eye(2))
