import numpy as np

from simo2_core.data.dataset import DataPart

PART = DataPart(np.zeros((100, 2, 2, 1), np.uint8), np.array([0, 60, 95]), np.array([50, 30, 5]))


def test_rows_and_labels_go_together() -> None:
    assert len(PART) == len(PART.rows) == len(PART.labels) == 85
    assert PART.rows[50] == 60
    assert PART.labels[50] == 1


def test_a_thin_part_keeps_the_shares_of_its_classes() -> None:
    thin = PART.thin(17)
    np.testing.assert_array_equal(thin.counts, [10, 6, 1])
    assert set(thin.rows) <= set(PART.rows)
    assert PART.thin(85) is PART
    np.testing.assert_array_equal(PART.thin(1).counts, [1, 1, 1])


def test_a_class_without_images_stays_so_in_a_thin_part() -> None:
    part = DataPart(PART.images, np.array([0, 60, 100]), np.array([50, 30, 0]))
    np.testing.assert_array_equal(part.thin(8).counts, [5, 3, 0])
    assert part.thin(8).gather().shape[0] == 8
