import numpy as np
import pytest

from simo2_tui.widgets.palette import MUTED, colours
from simo2_tui.widgets.scatter import render_scatter, step_to
from simo2_tui.widgets.thumbnails import Thumbnail, columns_of, fit_image, how_many, render_thumbnails

TABLE = colours(True)
RED = np.zeros((4, 4, 3), np.uint8) + np.array([255, 0, 0], np.uint8)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (8, 3), (20, 6), (78, 7), (158, 9), (200, 12)])
@pytest.mark.parametrize("shades", [False, True])
def test_every_row_has_the_width(width, height, shades):
    items = [Thumbnail(RED, "a class with a long name", MUTED)] * 20
    strips = render_thumbnails(items, width, height, TABLE, shades=shades)
    assert [strip.cell_length for strip in strips] == [width] * height
    assert all(len(strip.text) == width for strip in strips)
    if shades:
        assert all(strip.text.isascii() for strip in strips)


def test_as_many_as_fit_are_shown_and_captioned():
    items = [Thumbnail(RED, f"{index} cat", MUTED) for index in range(20)]
    strips = render_thumbnails(items, 78, 7, TABLE)
    assert how_many(78, 7) == 5
    assert strips[-1].text.split() == ["0", "cat", "1", "cat", "2", "cat", "3", "cat", "4", "cat"]
    assert strips[0].text.count("▀") == 5 * columns_of(7)


def test_an_image_keeps_its_shape_and_its_pixels():
    grey = np.array([[[0], [255]], [[255], [0]]], np.uint8)
    canvas = fit_image(grey, 16, 4)
    assert canvas.shape == (8, 16, 3)
    assert not canvas[:, :4].any(), "the middle, as high as wide"
    assert not canvas[:, 12:].any()
    np.testing.assert_array_equal(canvas[:4, 4:8], 0)
    np.testing.assert_array_equal(canvas[:4, 8:12], 255)


def test_the_arrow_keys_go_to_the_point_that_lies_there():
    points = np.array([[0.0, 0.0], [1.0, 0.1], [3.0, 0.0], [0.0, 2.0], [-1.0, -1.0], [np.nan, 0.0], [0.001, 0.0]])

    def go(at, right, up, among=None):
        return step_to(points, at, right, up, 80, 24, among=among)

    assert go(None, 1, 0) == 0, "the middle first"
    assert go(0, 1, 0) == 1, "not the one in the same cell"
    assert go(1, 1, 0) == 2
    assert go(2, 1, 0) == 2, "nothing further right"
    assert go(0, 0, 1) == 3
    assert go(0, 0, -1) == 4
    assert go(0, 1, 0, np.array([0, 0, 1, 1, 1, 1, 0], bool)) == 4, "the middle of those that may be picked"
    assert step_to(np.full((2, 2), np.nan), None, 1, 0, 80, 24) is None


def test_the_framed_point_is_drawn_over_names_and_neighbours():
    points = np.array([[0.0, 0.0], [0.0, 0.0], [5.0, 5.0]])
    cells = render_scatter(points, np.array([0, 1, 2], np.int32), ["aaaa", "bbbb", "cccc"], 40, 24, selected=0)
    assert "[●]" in cells.text()
