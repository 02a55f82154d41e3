"""Going from screen to screen: as fast as keys can be pressed, from anywhere, and with the keys that are told."""

import pytest
from textual.widgets import Input, OptionList

from simo2_core.events import Compiled
from simo2_core.run.event_file import EventLog
from simo2_tui.app import Console
from simo2_tui.leaving import DETACHED
from simo2_tui.screens.embedding import EmbeddingScreen
from simo2_tui.screens.launcher import LauncherScreen
from simo2_tui.screens.monitor import MonitorScreen
from simo2_tui.screens.panes import PANES
from simo2_tui.screens.runs import RunsScreen
from simo2_tui.session.follow import FollowSession
from simo2_tui.widgets.charts import CurveChart
from tests.simo2_tui.recorded import write_run
from tests.simo2_tui.screen_text import text_of, until


@pytest.fixture
def console(tmp_path):
    """A console over two runs, and the runs."""
    runs = [write_run(tmp_path, name, upto=80, finish="completed") for name in ("aaa", "bbb")]
    app = Console(tmp_path)
    yield app, runs
    if app.session is not None:
        app.session.close()


async def test_a_screen_may_be_replaced_before_it_is_composed(console):
    app, (first, second) = console
    async with app.run_test(size=(120, 40)) as pilot:
        for leave in (
            lambda: app.opener.follow(second),
            app.opener.leave_monitor,
            app.action_embedding,
            app.action_runs,
        ):
            app.opener.follow(first)
            app.screen.poll()  # the timer looks in between
            leave()
            app.screen.poll()
            await pilot.pause(0.05)
        app.action_runs()
        app.pop_screen()
        await pilot.pause(0.05)
        assert app.is_running
        assert app._exception is None


async def test_enter_twice_opens_a_run_once(console):
    app, _ = console
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("R", "enter", "enter", "m", "slash")
        await pilot.pause(0.1)
        assert app._exception is None
        assert sum(isinstance(screen, MonitorScreen) for screen in app.screen_stack) == 1
        session = app.session
        app.opener.follow(session.run)
        assert app.session is session


async def test_a_thread_that_ends_after_its_screen_tells_nobody(console):
    app, _ = console
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("R")
        screen = app.screen
        await pilot.press("escape")
        await pilot.pause(0.1)
        screen.if_ready(screen._take, [])
        assert app._exception is None


async def test_the_embedding_and_the_runs_are_reached_from_everywhere(console):
    app, (first, second) = console
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("E")
        assert isinstance(app.screen, EmbeddingScreen), "from the launcher"
        assert app.session.run.path == second.path, "the newest run"
        await pilot.press("R")
        assert isinstance(app.screen, RunsScreen), "from the embedding"
        await pilot.press("down", "E")
        await pilot.pause(0.05)
        assert isinstance(app.screen, EmbeddingScreen), "from the runs"
        assert app.session.run.path == first.path, "the run under the cursor"
        await pilot.press("escape", "R", "escape", "escape")
        assert isinstance(app.screen, LauncherScreen)


async def test_without_a_run_the_embedding_says_so(tmp_path):
    app = Console(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("E")
        assert isinstance(app.screen, LauncherScreen)
        assert "no run to look at" in str(next(iter(app._notifications)).message)


async def test_enter_opens_in_both_lists_and_resumes_in_none(tmp_path):
    run = write_run(tmp_path, upto=80)
    app = Console(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        app.screen.query_one("#recent", OptionList).focus()
        await pilot.press("enter")
        await pilot.pause(0.05)
        assert isinstance(app.session, FollowSession)
        app.session.close()
        await pilot.press("escape", "R", "enter")
        await pilot.pause(0.05)
        assert isinstance(app.session, FollowSession)
        assert app.session.run.path == run.path
        app.session.close()


@pytest.mark.parametrize("pane", ["2", "3", "5"])
async def test_the_keys_stay_with_what_is_shown_when_the_size_changes(console, pane):
    app, (run, _) = console
    async with app.run_test(size=(160, 45)) as pilot:
        app.opener.follow(run)
        await pilot.pause(0.05)
        await pilot.press(pane)
        await pilot.pause(0.05)
        focused = app.screen.focused
        for size in ((80, 24), (110, 40), (160, 45), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause(0.1)
            assert app.screen.focused is focused, size
            assert focused.region.area


async def test_what_is_hidden_gives_its_keys_to_what_is_shown(console):
    app, (run, _) = console
    async with app.run_test(size=(160, 45)) as pilot:
        app.opener.follow(run)
        await pilot.pause(0.05)
        app.screen.query_one("#gradient").focus()  # not by its key: the pane that was chosen is the first
        await pilot.pause(0.05)
        await pilot.resize_terminal(80, 24)
        await pilot.pause(0.1)
        assert app.screen.focused is app.screen.query_one("#loss", CurveChart)


@pytest.mark.parametrize("keys", [(), ("R",), ("E",), ("escape",)], ids=["monitor", "runs", "embedding", "launcher"])
async def test_the_footer_fits_at_80_columns_and_ends_with_help(console, keys):
    app, (run, _) = console
    async with app.run_test(size=(80, 24)) as pilot:
        app.opener.follow(run)
        await pilot.pause(0.05)
        await pilot.press(*keys)
        await until(pilot, lambda: footer(app).rstrip().endswith("? help"))
        assert "q quit" in footer(app)


def footer(app):
    return text_of(app).splitlines()[-1]


async def test_the_footer_tells_no_key_that_a_line_of_text_takes(console):
    app, (run, _) = console
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("R", "slash")
        await until(pilot, lambda: "keep" in footer(app))
        assert isinstance(app.screen.focused, Input)
        for words in ("quit", "open", "mark", "help", "embedding"):
            assert words not in footer(app), words
        await pilot.press("enter")
        await until(pilot, lambda: "quit" in footer(app))
        app.opener.follow(run)
        await pilot.pause(0.05)
        await pilot.press("slash")
        await pilot.pause(0.1)
        assert "checkpoint" not in footer(app)
        assert "quit" not in footer(app)
        await pilot.press("q")
        assert app.is_running
        await pilot.press("ctrl+q")
    assert app.return_value == 0


async def test_the_list_of_runs_is_live(tmp_path):
    run = write_run(tmp_path, "aaa", upto=80)
    app = Console(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("R")
        await pilot.pause(0.05)
        assert "80/400" in text_of(app)
        assert "dead" in text_of(app)
        write_run(tmp_path, "bbb", upto=8)
        with run.own():
            log = EventLog(run.events_path)
            log.write(Compiled(step=120, seconds=1.0))
            log.close()
            app.screen._shelf._next = 0.0
            app.screen.poll()
            await until(pilot, lambda: "120/400" in text_of(app))
            assert "bbb" in text_of(app)
            assert "dead" in text_of(app), "bbb"
            app.screen._shelf._next = 0.0


async def test_a_screen_whose_terminal_has_gone_ends_without_being_told(tmp_path):
    gone = []
    app = Console(tmp_path, gone=lambda: bool(gone))
    async with app.run_test(size=(80, 24)) as pilot:
        gone.append(True)
        await until(pilot, lambda: app.return_value is not None)
    assert app.return_value == DETACHED


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_each_entry_of_the_list_of_panes_is_a_chart_with_a_key(console, size):
    app, (run, _) = console
    async with app.run_test(size=size) as pilot:
        app.opener.follow(run)
        await until(pilot, lambda: app.session.history.step == 80)
        for number, pane in enumerate(PANES, start=1):
            await pilot.press(str(number))
            await pilot.pause(0.1)
            chart = app.screen.query_one(f"#{pane.name}", CurveChart)
            assert app.screen.focused is chart
            assert chart.region.area
            assert f"{number} {pane.title}" in text_of(app)
            assert [item.name for item in chart._series] == [item.name for item in pane.curves(app.session, "sum")]


async def test_an_app_that_ends_draws_nothing_more(tmp_path, monkeypatch):
    app = Console(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.05)
        assert app.screen.ready
        with monkeypatch.context() as ending:  # the first thing that an end does; widgets go next, then the screens
            ending.setattr(app, "_running", False)
            assert not app.screen.ready
