import numpy as np
import pytest
from rich.style import Style

from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.palette import HEAT, HEAT_STEPS, OKABE_ITO, colours, heat_index


def test_what_does_not_fit_is_cut_at_both_edges():
    cells = Cells(5, 1)
    cells.write(0, -2, "abcdefghij")
    assert cells.row_text(0) == "cdefg"
    cells.write(3, 0, "no such row")
    assert cells.text() == "cdefg"


def test_a_wide_or_invisible_character_takes_one_cell():
    cells = Cells(6, 1)
    cells.write(0, 0, "猫\u0301\nx")
    assert cells.row_text(0) == "???x  "
    assert cells.strip(0, colours(dark=True), Style()).cell_length == 6


def test_only_changed_runs_are_sent_and_near_ones_together():
    old, new = Cells(60, 3), Cells(60, 3)
    new.write(1, 2, "ab")
    new.write(1, 8, "c")
    new.write(1, 50, "d")
    regions = new.changes(old)
    assert [(r.x, r.y, r.width) for r in regions] == [(2, 1, 7), (50, 1, 1)]
    assert new.changes(new) == []
    assert new.changes(None) is None
    assert new.changes(Cells(61, 3)) is None


def test_a_change_of_colour_alone_is_a_change():
    old, new = Cells(4, 1), Cells(4, 1)
    new.paper[0, 3] = HEAT
    assert len(new.changes(old)) == 1


@pytest.mark.parametrize("dark", [True, False])
def test_every_index_has_a_colour(dark):
    table = colours(dark)
    assert len(table) == HEAT + HEAT_STEPS
    assert all(len(colour) == 7 and colour.startswith("#") for colour in table)
    if dark:
        assert table[:8] == OKABE_ITO


def test_the_ramp_is_signed_and_clipped():
    assert heat_index(-1) == heat_index(-3) == HEAT
    assert heat_index(1) == heat_index(9) == HEAT + HEAT_STEPS - 1
    assert heat_index(0) == heat_index(float("nan")) == HEAT + HEAT_STEPS // 2
    assert np.all(np.diff([heat_index(v) for v in np.linspace(-1, 1, 50)]) >= 0)
