import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.style import Style

from simo2_tui.widgets.heatmap import reduce_blocks, render_heatmap, render_histogram, short_cosine, similarity_order
from simo2_tui.widgets.palette import HEAT, HEAT_STEPS, colours


def gram(classes, seed=0):
    means = np.random.default_rng(seed).normal(size=(classes, 8))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return means @ means.T


@given(st.integers(1, 120), st.integers(1, 50), st.integers(0, 40))
@settings(deadline=None, max_examples=50)
def test_every_row_is_exactly_as_wide_as_asked(width, height, classes):
    names = [f"class{i}" for i in range(classes)]
    cells = render_heatmap(gram(classes), names, width, height)
    assert all(cells.strip(row, colours(True), Style()).cell_length == width for row in range(height))


def test_sign_and_size_decide_the_colour_and_the_worst_pair_is_named():
    matrix = np.eye(3)
    matrix[0, 2] = matrix[2, 0] = -0.97
    cells = render_heatmap(matrix, ("a", "b", "c"), 60, 12)
    assert cells.row_text(0).startswith("largest cos(a, c) = -0.970")
    papers = np.unique(cells.paper[cells.paper >= 0]).tolist()
    assert papers == [HEAT + 1, HEAT + HEAT_STEPS // 2, HEAT + HEAT_STEPS - 1]
    assert "-.97" in cells.text()


def test_the_cursor_spells_its_pair_out():
    cells = render_heatmap(gram(4), tuple("abcd"), 60, 12, order=np.array([3, 2, 1, 0]), cursor=(0, 1))
    assert cells.row_text(0).startswith(f"cos(d, c) = {gram(4)[3, 2]:+.3f}")


def test_where_classes_share_a_cell_the_worst_pair_still_shows():
    matrix = np.eye(100)
    matrix[10, 77] = matrix[77, 10] = -0.9
    assert reduce_blocks(matrix, 10)[1, 7] == -0.9
    cells = render_heatmap(matrix, [str(i) for i in range(100)], 60, 16)
    assert (cells.paper == HEAT + 2).any()
    assert "classes a cell" in cells.row_text(0)


def test_alike_classes_are_put_next_to_each_other():
    directions = np.eye(6)[[0, 1, 2, 0, 1, 2]] + 0.01 * np.random.default_rng(1).normal(size=(6, 6))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    order = similarity_order(directions @ directions.T).tolist()
    assert sorted(order) == list(range(6))
    place = {label: order.index(label) for label in range(6)}
    assert all(abs(place[i] - place[i + 3]) == 1 for i in range(3))


def test_ordering_survives_a_class_without_points():
    matrix = gram(5)
    matrix[2] = matrix[:, 2] = np.nan
    assert sorted(similarity_order(matrix).tolist()) == list(range(5))


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [(0.934, 4, ".93"), (-0.934, 4, "-.93"), (0.001, 4, "0"), (1.0, 4, "1.00"), (-0.93, 2, "-9"), (0.02, 2, ""),
     (1.0, 2, "1"), (-1.0, 2, "-1"), (np.nan, 3, "NaN")],
)  # fmt: skip
def test_a_cosine_in_few_characters(value, width, text):
    assert short_cosine(value, width) == text


def test_the_histogram_loses_no_pair_however_wide_it_is():
    counts = np.zeros(400, np.int64)
    counts[399], counts[200] = 1, 10_000
    cells = render_histogram([("same class", counts, 0.5, 2)], 30, 8)
    bottom = cells.row_text(6)
    assert bottom[-1] != " ", "a single pair among ten thousand is seen"
    assert bottom[0] == " "
    assert cells.row_text(0).split()[1:] == ["same", "class", "mean", "+0.50"]


@given(st.integers(1, 100), st.integers(1, 30))
@settings(deadline=None, max_examples=30)
def test_histograms_of_any_size(width, height):
    counts = np.arange(40)
    cells = render_histogram([("a", counts, 0.1, 2), ("b", counts * 0, np.nan, 6)], width, height)
    assert all(cells.strip(row, colours(False), Style()).cell_length == width for row in range(height))
