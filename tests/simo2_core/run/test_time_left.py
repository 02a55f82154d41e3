import pytest

from simo2_core.run.time_left import TimeLeft, seconds_of_steps


def test_steps_on_larger_images_last_longer_than_those_that_were_timed() -> None:
    assert seconds_of_steps(100, 300, (), 4.0) == 50
    assert seconds_of_steps(100, 300, (16, 24, 32), 4.0) == pytest.approx(25 * (0.60625 + 1) / 0.325)
    assert seconds_of_steps(250, 300, (16, 24, 32), 4.0) == pytest.approx(12.5), "they have their full size"
    assert seconds_of_steps(100, 300, (16, 0), 4.0) == 50, "of a damaged log"
    assert seconds_of_steps(300, 300, (16, 24, 32), 4.0) == 0
    before = seconds_of_steps(0, 300, (16, 32), 4.0)
    assert before == pytest.approx(37.5 * 1.325 / 0.325), "the first step, as it will be"


def test_what_a_run_plans_goes_before_what_its_steps_say() -> None:
    left = TimeLeft(sides=(16, 32))
    assert left.to_the_end(0, None, 4.0) is None
    assert left.to_the_end(0, 300, 0.0) is None
    assert left.to_the_end(0, 300, 4.0) == pytest.approx(37.5 * 1.325 / 0.325)
    assert TimeLeft(30.0).to_the_end(0, 300, 4.0) == 30
