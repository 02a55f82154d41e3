"""Every screen at every size, driven by keys, without a terminal."""

from pathlib import Path

import pytest
from textual.widgets import Input

from simo2_core.events import WarningRaised
from simo2_core.run.control import read_command
from simo2_tui.app import Console
from simo2_tui.leaving import DETACHED, LEFT
from simo2_tui.screens.dialogs import HELP, LEAVE, STOP, ChoiceDialog, FailureScreen, HelpScreen
from simo2_tui.screens.guide import GuideScreen
from simo2_tui.screens.monitor import MonitorScreen
from simo2_tui.screens.plots import PlotsScreen
from simo2_tui.session.follow import FollowSession
from simo2_tui.widgets.charts import CurveChart
from tests.simo2_tui.recorded import write_run
from tests.simo2_tui.screen_text import SIZES, screen_rows, text_of, until


@pytest.mark.parametrize("size", SIZES)
async def test_the_monitor_shows_the_run(watch, size):
    app = watch(bad=150)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.1)
        assert isinstance(app.screen, MonitorScreen)
        shown = text_of(app)
        assert "280/400" in shown
        assert "kNN" in shown
        assert all(len(row) == size[0] for row in screen_rows(app))
        if size[0] >= 80:
            assert "✖" in shown, "the step that is not finite is marked"
            assert any(0x2800 < ord(char) < 0x2900 for char in shown)
        if size[0] >= 140:
            assert "class similarity" in shown
            assert "zero" in shown


async def test_number_keys_change_the_pane_at_80x24(watch):
    app = watch()
    async with app.run_test(size=(80, 24)) as pilot:
        for key, words in (
            ("2", "validation kNN"),
            ("3", "learning rate"),
            ("4", "images/s"),
            ("5", "eight"),
            ("1", "diff"),
        ):
            await pilot.press(key)
            await pilot.pause(0.1)
            assert words in text_of(app), key


async def test_a_resized_terminal_gets_another_layout(watch):
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause(0.1)
        assert "throughput" in text_of(app)
        await pilot.resize_terminal(80, 24)
        await pilot.pause(0.2)
        assert "throughput" not in text_of(app)
        assert "280/400" in text_of(app)
        await pilot.resize_terminal(40, 12)
        await pilot.pause(0.2)
        assert "280/400" in text_of(app)


async def test_the_keys_of_a_chart(watch):
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        chart = app.screen.query_one("#loss", CurveChart)
        await pilot.press("y", "plus")
        assert chart.view.log_y
        assert chart.view.smooth == 3
        await pilot.press("minus", "left")
        assert chart.view.smooth == 1
        assert 270 <= chart.view.cursor < 280
        await pilot.press("z", "z")
        assert chart.view.high - chart.view.low == 100
        assert chart.view.low <= chart.view.cursor <= chart.view.high
        await pilot.press("f")
        assert chart.view.cursor is None
        assert (chart.view.low, chart.view.high) == (0, 400)


async def test_the_loss_is_counted_as_sum_per_pair_or_above_its_floor(watch):
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        for title in ("1 loss per pair", "1 loss above floor", "1 loss"):
            await pilot.press("u")
            await pilot.pause(0.05)
            assert str(app.screen.query_one("#loss").border_title) == title


async def test_maximise_filter_and_escape(watch):
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("m")
        await pilot.pause(0.1)
        assert "throughput" not in text_of(app)
        await pilot.press("escape")
        await pilot.pause(0.1)
        assert "throughput" in text_of(app)
        await pilot.press("slash", *"checkpoint", "enter")
        await pilot.pause(0.1)
        log = text_of(app).split("log ")[-1]
        assert "checkpoints/200" in log
        assert "validation kNN" not in log


@pytest.mark.parametrize("width", [60, 80, 160])
async def test_the_keys_in_the_last_row_are_whole_and_lead_out(watch, width):
    app = watch()
    async with app.run_test(size=(width, 24)) as pilot:
        for key in ("1", "5", "E", "2", "escape", "R"):
            await pilot.press(key)
            await until(pilot, lambda: "quit" in screen_rows(app)[-1])
            last = screen_rows(app)[-1].rstrip()
            assert last.endswith("q quit ? help"), (key, last)
            assert len(last) < width


async def test_keys_that_do_nothing_now_are_not_offered_and_say_why_when_pressed(watch):
    app = watch()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "quit" in screen_rows(app)[-1])
        offered = screen_rows(app)[-1]
        assert "pause" not in offered
        assert "checkpoint" not in offered
        assert "r resume" in offered
        await pilot.press("c")
        await pilot.pause()
        assert "has ended" in next(iter(app._notifications)).message


async def test_a_line_says_in_the_last_row_how_to_leave_it(watch):
    app = watch()
    async with app.run_test(size=(80, 24)) as pilot:
        for keys, back in ((("slash", "x"), "q quit"), (("R", "slash", "x"), "q quit")):
            await pilot.press(*keys)
            await until(pilot, lambda: "esc cancel" in screen_rows(app)[-1])
            await pilot.press("escape")
            await until(pilot, lambda back=back: back in screen_rows(app)[-1])
            assert not app.screen.query_one("#filter", Input).value


async def test_the_device_panel_is_there_while_a_run_trains_and_there_is_room(tmp_path):
    run = write_run(tmp_path)
    with run.own():
        app = Console(tmp_path, session=FollowSession(run))
        async with app.run_test(size=(160, 45)) as pilot:
            await pilot.pause(0.1)
            assert "device" in text_of(app)
            assert "free" in text_of(app), "the memory of the process that trains"
            await pilot.resize_terminal(80, 24)
            await pilot.pause(0.1)
            assert "free" not in text_of(app)


async def test_help_tells_every_key_that_works_here_those_of_the_pane_first(watch):
    app = watch()
    async with app.run_test(size=(160, 60)) as pilot:
        for keys, first in ((), "chart"), (("5",), "scatter"), (("E", "2"), "heat map"), (("escape", "R"), "runs"):
            await pilot.press(*keys)
            here = app.screen
            own = [one for one in here.active_bindings.values() if one.binding.description[:1].islower()]
            await pilot.press("question_mark")
            assert isinstance(app.screen, HelpScreen)
            assert app.screen._sections[0] == first
            told = " ".join(key for section in app.screen._sections for key, _ in HELP[section])
            for _, binding, *_ in own:
                shown = app.get_key_display(binding).removeprefix("shift+").replace("^", "ctrl+").lower()
                shown = shown.replace("⏎", "enter")
                known = shown in told.lower() or shown in ("ctrl+z", "ctrl+q") or shown.isdigit()
                assert known, (first, binding.description)
            await pilot.press("escape")
            assert app.screen is here


async def test_the_palette_does_what_every_key_does(watch):
    app = watch()
    async with app.run_test(size=(80, 24)) as pilot:
        commands = {command.title: command for command in app.get_system_commands(app.screen)}
        for name in ("Log axis", "Checkpoint now", "Stop and save", "Maximise", "Theme light", "Runs", "Look at plots"):
            assert name in commands
        await commands["Maximise"].callback()
        await pilot.pause()
        assert app.screen.has_class("-solo")


async def test_stop_asks_and_goes_to_whoever_trains(tmp_path):
    run = write_run(tmp_path)
    with run.own():
        session = FollowSession(run)
        session.start()
        assert session.wait_until_read(5)
        app = Console(tmp_path, session=session)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("S", "escape")
            assert not list(run.control.glob("*.json"))
            await pilot.press("S", "s")
            [path] = run.control.glob("*.json")
            assert read_command(path).command == "stop"
            app.screen.poll()
            await pilot.pause()
            assert "stopping" in text_of(app), "said before the trainer has heard of it"
        session.close()


async def test_leaving_a_run_of_another_process_asks_nothing(watch):
    app = watch()
    async with app.run_test() as pilot:
        await pilot.press("q")
    assert app.return_value == LEFT


@pytest.mark.parametrize(
    ("over", "keys"),
    [
        (lambda: FailureScreen("the loss is NaN.", "", None), ("q", "ctrl+c", "ctrl+q")),
        (lambda: ChoiceDialog(*STOP), ("ctrl+c", "ctrl+q")),
        (lambda: HelpScreen(["chart"]), ("ctrl+c", "ctrl+q")),
        (lambda: PlotsScreen([Path("none.png")]), ("ctrl+c", "ctrl+q")),
        (GuideScreen, ("ctrl+c", "ctrl+q")),
    ],
    ids=["failure", "question", "help", "plots", "guide"],
)
async def test_the_keys_that_leave_from_everywhere_leave_from_a_screen_over_another(tmp_path, over, keys):
    for key in keys:
        app = Console(tmp_path)
        async with app.run_test(size=(80, 24)) as pilot:
            app.push_screen(over())
            await pilot.pause()
            await pilot.press(key)
        assert app.return_value == LEFT, key


async def test_leaving_asks_once_over_whatever_is_asked(tmp_path, monkeypatch):
    run = write_run(tmp_path)
    monkeypatch.setattr(FollowSession, "owned_here", True)
    with run.own():
        app = Console(tmp_path, session=FollowSession(run))
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("S", "ctrl+c", "ctrl+c")
            assert [screen._question for screen in app.screen_stack[2:]] == [STOP[0], LEAVE[0]]
            await pilot.press("escape", "escape")
            assert isinstance(app.screen, MonitorScreen)
            await pilot.press("ctrl+c", "d")
        assert app.return_value == DETACHED


async def test_a_command_for_a_run_that_has_ended_is_refused(watch):
    app = watch(upto=400, finish="completed")
    async with app.run_test() as pilot:
        await pilot.press("c")
        assert "has ended" in str(next(iter(app._notifications)).message)


async def test_ascii_only_draws_nothing_else_in_the_charts(watch):
    app = watch()
    app.ascii_only = True
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.1)
        for name in ("#loss", "#status", "#values", "#log"):
            widget = app.screen.query_one(name)
            rows = [widget.render_line(y).text for y in range(widget.size.height)]
            assert all(char.isascii() for row in rows for char in row), name


@pytest.mark.parametrize("theme", ["simo2-light", "simo2-contrast"])
async def test_other_themes_draw_the_same_picture(watch, theme):
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause(0.1)
        before = text_of(app)
        app.theme = theme
        await pilot.pause(0.1)
        assert text_of(app).split("\n")[2:40] == before.split("\n")[2:40]


async def test_an_alarm_rings_once_and_stays_listed(watch, monkeypatch):
    rung = []
    monkeypatch.setattr(Console, "bell", lambda self: rung.append(True))
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause(0.1)
        for code in ("data-starved", "data-starved", "disk-low"):
            app.session.history.add(WarningRaised(step=280, code=code, message="slow.", cure="Buy a disk."))
            app.screen.poll()
        await pilot.pause(0.1)
        assert len(rung) == 2, "once a kind"
        shown = text_of(app)
        assert "! data-starved disk-low" in shown.splitlines()[0]
        assert "Buy a disk." in shown, "the cure is in the log"


async def test_a_question_says_all_of_its_answers_on_a_small_terminal(tmp_path):
    app = Console(tmp_path)
    async with app.run_test(size=(60, 20)) as pilot:
        app.push_screen(ChoiceDialog(*LEAVE))
        await pilot.pause(0.05)
        words = " ".join(text_of(app).replace("│", " ").split())
        assert "train on with no screen; back with simo2 attach" in words


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_the_log_takes_the_whole_screen_and_gives_it_back(watch, size):
    """A warning with its cure is longer than the three rows that it has at 80×24."""
    app = watch(bad=150)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.1)
        log, body = app.screen.query_one("#log"), app.screen.query_one("#body")
        usual = log.size.height
        log.focus()
        await pilot.press("m")
        await pilot.pause(0.1)
        assert log.size.height > size[1] - 7
        assert log.has_focus
        await pilot.press("escape")
        await pilot.pause(0.1)
        assert (log.size.height, body.display) == (usual, True)
        log.focus()
        await pilot.press("m", "2")
        await pilot.pause(0.1)
        assert app.screen.query_one("#accuracy").has_focus
        assert app.screen.query_one("#accuracy").size.height > size[1] // 2, "the pane alone"


async def test_where_a_pane_hides_the_others_each_says_how_to_see_them(watch):
    app = watch()
    async with app.run_test(size=(80, 24)) as pilot:
        for key in "123451":
            await pilot.press(key)
            await pilot.pause(0.1)
            assert "1-5 choose a pane" in text_of(app), key
        await pilot.resize_terminal(160, 45)
        await pilot.pause(0.1)
        assert "choose a pane" not in text_of(app)
        assert "validation images" in text_of(app)
