from types import SimpleNamespace
from typing import Any

import pytest

from simo2_core.presets import PRESETS
from simo2_core.train.training import steps_of_a_call, views_of


def test_the_test_part_is_measured_over_views_where_that_is_asked_for_and_nothing_else_is() -> None:
    encoder: Any = SimpleNamespace(represent_views=lambda part, *, mirror: (part, mirror))
    part: Any = "part"
    config = PRESETS["digits"].config
    assert views_of(config, encoder, "test") is None
    asked = config.replace({"test_views": True})
    assert views_of(asked, encoder, "validation") is None
    for flip in (False, True):
        views = views_of(asked.replace({"flip": flip}), encoder, "test")
        assert views is not None
        assert views(part) == ("part", flip)


@pytest.mark.parametrize(
    ("seconds_per_step", "steps"),
    [(0.0, 1), (0.001, 250), (0.05, 5), (0.1, 4), (0.5, 4), (0.6, 3), (0.95, 2), (1.5, 1), (60.0, 1)],
)
def test_a_call_lasts_a_quarter_of_a_second_or_takes_a_few_slow_steps(seconds_per_step: float, steps: int) -> None:
    assert steps_of_a_call(seconds_per_step) == steps
