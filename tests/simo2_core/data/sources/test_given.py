"""Arrays and functions of a program's own."""

import numpy as np
import pytest

from simo2_core.data.load import load_dataset
from simo2_core.data.sources.given import give
from simo2_core.data_config import DataConfig
from simo2_core.errors import DataError
from tests.simo2_core.data.sources import written


def test_a_function_gives_what_an_array_would() -> None:
    images, labels = written.pixels(), written.labels()
    array = load_dataset(DataConfig(dataset=give("array", images, labels)))
    asked: list[int] = []

    def image(number: int) -> np.ndarray:
        asked.append(number)
        return images[number]

    made = load_dataset(DataConfig(dataset=give("function", image, labels, test=(image, labels))))
    assert asked == [*range(21), *range(21)]
    assert len(made.test) == 21
    made = load_dataset(DataConfig(dataset=give("function", image, labels)))
    assert made.fingerprint.split(":")[2] == array.fingerprint.split(":")[2]
    np.testing.assert_array_equal(made.train.gather(), array.train.gather())


@pytest.mark.parametrize("labels", [[0.5, 1.5], [0.0, 1.0], [None, 1], [np.nan, 2]], ids=str)
def test_labels_that_are_no_names_or_whole_numbers_are_refused(labels: list[object]) -> None:
    with pytest.raises(DataError, match=r"train labels are \w+; they must be whole numbers or names"):
        give("odd", np.zeros((2, 4, 4), np.uint8), labels)


def test_labels_of_mixed_kinds_of_numbers_and_names_are_taken() -> None:
    for labels in ([1, 0], ["b", "a"], np.array([1, 0], np.uint8), np.array(["b", "a"], object), [True, False]):
        assert give("fine", np.zeros((2, 4, 4), np.uint8), labels) == "python:fine"


def test_a_function_whose_images_differ_is_one_line() -> None:
    with pytest.raises(DataError, match=r"train images are of uint8 \(4, 4\) and of uint8 \(5, 5\); make them alike"):
        give("odd", lambda number: np.zeros((4 + number, 4 + number), np.uint8), [0, 1])
    with pytest.raises(DataError, match=r"train images are uint8 \(0, 0, 0, 1\)"):
        give("none", lambda number: np.zeros((4, 4), np.uint8), [])
