from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def no_pictures() -> Iterator[None]:
    """Runs in this process end without drawing, which takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simo2_core.train.plotting.Plotter.request", lambda self, step, *, last=False: None)
        yield
