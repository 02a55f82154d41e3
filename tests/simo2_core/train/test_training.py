from types import SimpleNamespace
from typing import Any

from simo2_core.presets import PRESETS
from simo2_core.train.training import views_of


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
