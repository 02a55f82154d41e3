import numpy as np
import pytest
from rich.cells import cell_len
from rich.style import Style

from simo2_tui.escape import steady
from simo2_tui.widgets.cells import Cells
from simo2_tui.widgets.heatmap import heat_levels
from simo2_tui.widgets.palette import HEAT, HEAT_STEPS, colours


def test_what_does_not_fit_is_cut_at_both_edges():
    cells = Cells(5, 1)
    cells.write(0, -2, "abcdefghij")
    assert cells.row_text(0) == "cdefg"
    cells.write(3, 0, "no such row")
    assert cells.text() == "cdefg"


def test_a_wide_character_takes_two_cells_and_marks_stay_with_their_letter():
    cells = Cells(9, 1)
    assert cells.write(0, 0, "猫\u0301e\u0301\nक्ष") == 6
    assert cells.row_text(0) == "猫\u0301\u00e9?क्ष   "
    strip = cells.strip(0, colours(dark=True), Style())
    assert strip.cell_length == 9 == sum(cell_len(char) for char in strip.text)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("👩\u200d🔬 lab", "👩🔬 lab"), ("❤\ufe0f", "❤"), ("🇯🇵", "JP"), ("👍🏽 up", "👍 up"), ("e\u0301", "é"),
     ("काला", "काला"), ("plain", "plain")],
)  # fmt: skip
def test_a_name_is_as_wide_as_it_is_counted_on_every_terminal(name, shown):
    assert steady(name) == shown
    cells = Cells(20, 1)
    assert cells.write(0, 0, name) == cell_len(shown)
    assert cells.row_text(0).rstrip() == shown


@pytest.mark.parametrize(("column", "text"), [(-1, " 犬 "), (4, "    ")])
def test_half_of_a_wide_character_is_none(column, text):
    cells = Cells(5, 1)
    cells.write(0, column, "猫犬")
    assert cells.row_text(0).startswith(text)
    assert sum(cell_len(char) for char in cells.row_text(0)) == 5


@pytest.mark.parametrize(("column", "left"), [(1, " x犬"), (0, "x 犬"), (2, "猫x "), (3, "猫 x")])
def test_what_is_written_over_half_of_a_wide_character_takes_it_away(column, left):
    cells = Cells(4, 1)
    cells.write(0, 0, "猫犬")
    cells.write(0, column, "x")
    assert cells.row_text(0) == left


def test_both_cells_of_a_wide_character_change_together():
    old, new = Cells(4, 1), Cells(4, 1)
    old.write(0, 1, "猫")
    new.write(0, 1, "犬")
    assert [(region.x, region.width) for region in new.changes(old)] == [(1, 2)]


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


def test_the_ramp_is_signed_and_clipped():
    ends = heat_levels(np.array([-3.0, -1.0, 0.0, np.nan, 1.0, 9.0])) - HEAT
    np.testing.assert_array_equal(ends, [0, 0, HEAT_STEPS // 2, HEAT_STEPS // 2, HEAT_STEPS - 1, HEAT_STEPS - 1])
    assert np.all(np.diff(heat_levels(np.linspace(-1, 1, 50))) >= 0)
