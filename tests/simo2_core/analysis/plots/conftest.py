"""What tests of pictures share."""

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def laid_out(monkeypatch):
    """The figures that would have been saved, laid out as they would be, at the cost of no pixel."""
    figures = []

    def lay_out(figure, *args, **options):
        figure.draw_without_rendering()
        figures.append(figure)

    monkeypatch.setattr(Figure, "savefig", lay_out)
    return figures
