import pytest

from simo2_core.run.time_left import seconds_of_steps


def test_steps_on_larger_images_last_longer_than_those_that_were_timed() -> None:
    assert seconds_of_steps(100, 300, (), 4.0) == 50
    assert seconds_of_steps(100, 300, (16, 24, 32), 4.0) == pytest.approx(25 * (1 + (24**2 + 32**2) / 16**2 - 1))
    assert seconds_of_steps(250, 300, (16, 24, 32), 4.0) == pytest.approx(12.5), "they have their full size"
    assert seconds_of_steps(100, 300, (16, 0), 4.0) == 50, "of a damaged log"
    assert seconds_of_steps(300, 300, (16, 24, 32), 4.0) == 0
    assert seconds_of_steps(0, 300, (16, 32), 4.0) == pytest.approx(37.5 * 5), "before the first one, as it will be"
