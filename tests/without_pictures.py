"""`python -m tests.without_pictures` is `simo2`, but a run ends without drawing: seconds, and not what is looked at."""

from simo2_core.train.plotting import Plotter
from simo2_tui.start import main


def _leave_out(self: Plotter, step: int, *, last: bool = False) -> None:
    """In place of `Plotter.request`."""


if __name__ == "__main__":
    Plotter.request = _leave_out  # type: ignore[method-assign]
    main()
