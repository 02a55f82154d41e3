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


@pytest.fixture
def coarse(monkeypatch):
    """The figures that were saved, each with a quarter of its dots an inch: the same drawing, sooner.

    They are laid out for that: `draw_without_rendering` does it for their own size.
    """
    figures, save = [], Figure.savefig

    def savefig(figure, file, *, dpi, **options):
        save(figure, file, dpi=dpi / 4, **options)
        figures.append(figure)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return figures
