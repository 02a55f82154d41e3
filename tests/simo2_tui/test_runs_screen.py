"""The list of runs: what has room, in which order, and that a mark has the colour of its curve."""

import numpy as np
import pytest
from rich.text import Text
from textual.widgets import DataTable

from simo2_tui.app import Console
from simo2_tui.screens.runs import INKS, RunsScreen, short_names
from simo2_tui.screens.runs_table import ORDER, SORTS, columns_for, sparkline
from simo2_tui.widgets.charts import CurveChart
from simo2_tui.widgets.palette import ALERT, ASCII
from simo2_tui.widgets.view import table_of
from tests.simo2_tui.recorded import write_run
from tests.simo2_tui.screen_text import SIZES, text_of, until

NAME = "digits-20261128-181234"


def rows(*names):
    cells = {"": " ", "state": "interrupted", "step": "12,000/12,000", "kNN": "100.0%*!", "over time": "▁" * 12,
             "said": "59m", "data": "oxford_flowers102", "objective": "cross_entropy"}  # fmt: skip
    return [{column: Text(cells.get(column, name)) for column in ORDER} for name in names]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 220])
def test_the_columns_fit_and_a_name_is_whole(width):
    columns = columns_for(rows(NAME), width)
    used = 3 + sum(max(len(column), rows(NAME)[0][column].cell_len) + 2 for column in columns)
    assert used <= width
    assert columns[:2] == ("", "run")
    if width >= 80:
        assert {"state", "kNN", "step"} <= set(columns)
    if width >= 160:
        assert columns == ORDER


def test_a_long_name_takes_the_room_of_other_columns():
    assert columns_for(rows("x" * 58), 80) == ("", "run", "state")
    assert columns_for(rows("x" * 90), 80) == ("", "run")
    assert columns_for([], 80)[:2] == ("", "run")


def test_sparklines_have_one_scale_so_that_runs_compare():
    assert sparkline([0.9, 1.0], 16, scale=(0.0, 1.0)) == "▇█"
    assert sparkline([0.1, 0.2], 16, scale=(0.0, 1.0)) == "▂▂"
    assert sparkline([0.5, 0.5], 16, scale=(0.5, 0.5)) == "▄▄"


async def test_runs_are_sorted_and_the_cursor_stays_with_its_run(tmp_path):
    write_run(tmp_path, "good", upto=400, finish="completed")
    write_run(tmp_path, "alone", upto=80)
    write_run(tmp_path, "new", upto=8)
    app = Console(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("R", "down")
        await pilot.pause(0.05)
        first = [summary.run.name for summary in app.screen._summaries]
        best = ["good", "alone", "new"]
        for by, order in {"name": sorted(best), "state": best, "kNN": best, "loss": best, "age": first}.items():
            await pilot.press("o")
            await pilot.pause(0.05)
            names = [summary.run.name for summary in app.screen._summaries]
            assert names == order if by != "state" else names[0] == "good", by
            assert app.screen.chosen_run().name == first[1], by
        assert list(SORTS)[app.screen._sort] == "age"


async def test_a_mark_has_the_colour_of_its_curve_and_a_curve_grows(tmp_path):
    for name in ("aaa", "bbb"):
        write_run(tmp_path, name, upto=80)
    app = Console(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("R", "space", "down", "space")
        screen = app.screen
        overlay = screen.query_one("#overlay", CurveChart)
        await until(pilot, lambda: all(session.history.step == 80 for session in screen._marked.values()))
        screen.poll()
        table, colours = screen.query_one(DataTable), table_of(app)
        for at, name in enumerate(screen._marked):
            mark = table.get_cell(name, "")
            assert mark.plain == "●▲"[at]
            assert colours[INKS[at]].lower() in str(mark.style).lower()
            assert overlay._series[at].ink == INKS[at]
            assert len(overlay._series[at].x) == 80
        sessions = list(screen._marked.values())
        await pilot.press("space")
        assert len(screen._marked) == 1
        await pilot.press("escape")
        await pilot.pause(0.05)
        assert all(session._stop.is_set() for session in sessions), "nobody reads on"


async def test_a_result_below_raw_pixels_is_said(tmp_path):
    write_run(tmp_path, "poor", upto=40)  # 88% where raw pixels give 97%
    app = Console(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("R")
        await pilot.pause(0.05)
        assert "! below raw pixels" in text_of(app)
        assert "%!" in text_of(app)
        cell = app.screen.query_one(DataTable).get_cell("poor", "kNN")
        assert str(cell.style) == table_of(app)[ALERT]


@pytest.mark.parametrize("size", SIZES)
async def test_the_runs_screen_lists_and_compares(tmp_path, size):
    write_run(tmp_path, "aaa", upto=100, seed=1)
    write_run(tmp_path, "bbb", upto=400, seed=2, finish="completed")
    app = Console(tmp_path)
    async with app.run_test(size=size) as pilot:
        await pilot.press("R")
        assert isinstance(app.screen, RunsScreen)
        await pilot.press("space", "down", "space")
        await app.workers.wait_for_complete()
        await pilot.pause(0.1)
        shown = text_of(app)
        assert "completed" in shown
        assert "dead" in shown
        if size[0] >= 80:
            assert "seed" in shown, "the setting that differs"
            assert any(0x2800 < ord(char) < 0x2900 for char in shown), "both curves"
            await pilot.press("u")
            assert "validation kNN" in text_of(app)
        await pilot.press("slash", *"bbb", "enter")
        shown = text_of(app)
        assert "completed" in shown
        assert "dead" not in shown
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)
        assert "dead" in text_of(app)


def test_names_are_cut_so_that_all_fit_and_can_be_told_apart():
    assert short_names(["supcon", "autoencoder"], 90) == ["supcon", "autoencoder"]
    assert short_names(["supcon", "autoencoder", "cross_entropy"], 36) == ["supc…", "auto…", "cros…"]
    assert short_names(["digits-20261125-01", "digits-20261125-02"], 36) == ["digits-2…01", "digits-2…02"]
    roomy = ["birds-200", "mixed", "猫の写真"]
    assert short_names(roomy, 48) == roomy


def test_a_sparkline_shows_all_values_and_a_constant_half_way_up():
    assert sparkline([], 16) == ""
    assert sparkline([1.0, 1.0, 1.0], 16) == "▄▄▄"
    assert sparkline([0.0, 1.0], 16) == "▁█"
    assert sparkline(np.arange(1000.0), 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([0.0] + [1.0] * 500, 16, ASCII).isascii()
