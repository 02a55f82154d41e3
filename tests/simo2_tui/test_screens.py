"""Every screen at every size, driven by keys, without a terminal."""

import numpy as np
import pytest
from textual.widgets import Input, OptionList

from simo2_core.events import WarningRaised
from simo2_core.presets import PRESETS
from simo2_core.run.control import read_command
from simo2_core.settings import as_typed
from simo2_tui.app import LEFT, Console
from simo2_tui.screens import embedding as embedding_screen
from simo2_tui.screens.dialogs import HELP, HelpScreen
from simo2_tui.screens.embedding import EmbeddingScreen
from simo2_tui.screens.launcher import LauncherScreen
from simo2_tui.screens.monitor import MonitorScreen
from simo2_tui.screens.runs import RunsScreen, short_names, sparkline
from simo2_tui.screens.settings import SettingsEditor, ordered_settings
from simo2_tui.session.follow import FollowSession
from simo2_tui.session.snapshot import read_snapshot
from simo2_tui.widgets.charts import CurveChart
from simo2_tui.widgets.embedding_views import HeatMap, ScatterPlot
from simo2_tui.widgets.heatmap import similarity_order
from simo2_tui.widgets.palette import ASCII
from tests.simo2_tui.recorded import write_run

SIZES = [(40, 12), (80, 24), (160, 45), (200, 60)]


def screen_rows(app):
    """The rows of characters on the screen."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return [line.text.ljust(width)[:width] for line in lines][:height]


def text_of(app):
    return "\n".join(screen_rows(app))


async def until(pilot, check, seconds=20.0):
    """Waits for what a timer or a thread does: a busy machine may take a while."""
    for _ in range(int(seconds / 0.05)):
        if check():
            return
        await pilot.pause(0.05)
    raise AssertionError("it did not happen")


@pytest.fixture
def watch(tmp_path):
    """A console that watches a recorded run."""
    sessions = []

    def start(**options):
        session = FollowSession(write_run(tmp_path, **{"upto": 280, **options}))
        sessions.append(session)
        session.start()
        assert session.wait_until_read(5)
        return Console(tmp_path, session=session)

    yield start
    for session in sessions:
        session.close()


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


@pytest.mark.parametrize("size", SIZES)
async def test_the_launcher_shows_presets_and_settings(tmp_path, size):
    write_run(tmp_path, finish="completed")
    app = Console(tmp_path)
    async with app.run_test(size=size) as pilot:
        await app.workers.wait_for_complete()
        await pilot.pause(0.1)
        assert isinstance(app.screen, LauncherScreen)
        shown = text_of(app)
        assert "digits" in shown
        assert "ready" in shown
        if size[0] >= 80:
            assert "completed" in shown
            assert "embedding_size" in shown
            assert "about 0:4" in shown, "the time, from the earlier run"


@pytest.mark.parametrize("size", SIZES)
async def test_the_embedding_screen_shows_the_classes(watch, size):
    app = watch()
    async with app.run_test(size=size) as pilot:
        await pilot.press("E")
        await pilot.pause(0.1)
        assert isinstance(app.screen, EmbeddingScreen)
        assert "●" in text_of(app)
        await pilot.press("2")
        await pilot.pause(0.1)
        assert "cos(" in text_of(app) or size[0] < 60
        await pilot.press("escape")
        assert isinstance(app.screen, MonitorScreen)


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
    assert short_names(["supcon", "autoencoder", "cross_entropy"], 36) == ["supco", "autoe", "cross"]
    assert short_names(["digits-20261125-01", "digits-20261125-02"], 36) == ["20261125-01", "20261125-02"]


def test_a_sparkline_shows_all_values_and_a_constant_half_way_up():
    assert sparkline([], 16) == ""
    assert sparkline([1.0, 1.0, 1.0], 16) == "▄▄▄"
    assert sparkline([0.0, 1.0], 16) == "▁█"
    assert sparkline(np.arange(1000.0), 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([0.0] + [1.0] * 500, 16, ASCII).isascii()


async def test_number_keys_change_the_pane_at_80x24(watch):
    app = watch()
    async with app.run_test(size=(80, 24)) as pilot:
        for key, words in (("2", "validation kNN"), ("3", "learning rate"), ("4", "images/s"), ("5", "eight"),
                           ("1", "diff")):  # fmt: skip
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


async def test_scrubbing_goes_through_the_snapshots_and_follows_again(watch):
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("E")
        await pilot.pause(0.1)
        assert "step 280" in text_of(app)
        await pilot.press("comma", "comma")
        await pilot.pause(0.1)
        assert "step 200" in text_of(app)
        assert app.screen.query_one("#loss", CurveChart).view.cursor == 200, "the loss cursor is linked"
        await pilot.press(*["full_stop"] * 3)
        await pilot.pause(0.1)
        assert "newest" in text_of(app)
        await pilot.press("n", "n")
        assert app.screen.query_one("#scatter", ScatterPlot).isolated == 1
        await pilot.press("i")
        assert app.screen.query_one("#scatter", ScatterPlot).isolated is None


@pytest.mark.parametrize("size", SIZES)
async def test_arrows_pick_a_point_and_show_the_images_nearest_to_it(watch, size):
    app = watch()
    async with app.run_test(size=size) as pilot:
        await pilot.press("E", "right", "right")
        await until(pilot, lambda: "▀" in text_of(app))
        picked = app.screen.query_one("#scatter", ScatterPlot).picked
        assert picked is not None
        shown = text_of(app)
        assert "[" in shown, "the point is framed"
        snapshot = read_snapshot(app.session.run.embeddings / "280.npz")
        nearest, cosine = snapshot.nearest(picked, 1)[0]
        words = f"{cosine:+.2f} {snapshot.class_names[snapshot.labels_n[nearest]]}"[:9]
        await until(pilot, lambda: words in text_of(app))
        await pilot.press("comma")
        # the neighbours go back in time as well
        await until(pilot, lambda: "240" in str(app.screen.query_one("#nearest").border_title))
        await pilot.press("escape")
        await until(pilot, lambda: "▀" not in text_of(app))
        assert isinstance(app.screen, EmbeddingScreen)
        await pilot.press("escape")
        assert isinstance(app.screen, MonitorScreen)


async def test_a_point_can_be_picked_on_the_monitor_too(watch):
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("5", "left")
        await pilot.pause(0.1)
        assert "E shows those nearest" in text_of(app)
        await pilot.press("escape")
        await pilot.pause(0.1)
        assert "140 validation images" in text_of(app)
        assert isinstance(app.screen, MonitorScreen)


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


async def test_a_run_without_thumbnails_says_so(watch):
    app = watch()
    (app.session.run.embeddings / "thumbnails.npz").unlink()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("E", "up")
        await until(pilot, lambda: "kept no thumbnails" in text_of(app))


async def test_the_rows_of_the_heat_map_stay_until_they_are_sorted_anew(watch):
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("E", "2")
        await pilot.pause(0.1)
        heat = app.screen.query_one("#heat", HeatMap)
        order = heat._order.tolist()
        for _ in range(6):
            await pilot.press("comma")
            assert heat._order.tolist() == order
        await pilot.press("o")
        assert heat._order.tolist() == list(range(10))
        await pilot.press("o")
        assert heat._order.tolist() == similarity_order(heat._matrix_cc).tolist()


async def test_every_snapshot_gets_its_tsne_ahead_and_what_it_waits_for_is_said(watch, monkeypatch):
    asked = []

    class Slow:
        """Lays out one snapshot each time it is looked at, once it may."""

        may = False

        def __init__(self, run):
            self.made = {}

        def points(self, name):
            return self.made.get(name)

        def reason(self, name):
            return ""

        def count(self, names):
            return len(self.made)

        def want(self, names):
            asked.append(names)
            left = [name for name in names if name not in self.made]
            if self.may and left:
                self.made[left[0]] = np.zeros((140, 2))

        def close(self):
            asked.append("closed")

    monkeypatch.setattr(embedding_screen, "Layouts", Slow)
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("E", "comma", "comma", "x")
        cloud = app.screen.query_one("#cloud")
        assert "step 200 · PCA until its t-SNE is there, 0 of 7 are" in str(cloud.border_subtitle)
        assert [name.split("/")[1] for name in asked[-1][:4]] == ["200.npz", "160.npz", "240.npz", "120.npz"]
        Slow.may = True
        for _ in range(8):
            app.screen.poll()
        assert str(cloud.border_title) == "1 embedding · t-SNE"
        await pilot.press("comma")
        assert str(cloud.border_title) == "1 embedding · t-SNE", "computed ahead"
        assert "step 160" in str(cloud.border_subtitle)
        await pilot.press("escape")
        await pilot.pause(0.1)
    assert asked[-1] == "closed"


async def test_the_heat_map_spells_out_the_pair_under_its_cursor(watch):
    app = watch()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("E", "2", "o", "right")
        await pilot.pause(0.1)
        assert app.screen.query_one("#heat", HeatMap).has_focus
        assert "cos(zero, one)" in text_of(app)


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


async def test_a_command_for_a_run_that_has_ended_is_refused(watch):
    app = watch(upto=400, finish="completed")
    async with app.run_test() as pilot:
        await pilot.press("c")
        assert "has ended" in str(next(iter(app._notifications)).message)


async def test_a_setting_is_judged_while_it_is_typed(tmp_path):
    app = Console(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        editor = app.screen.query_one(SettingsEditor)
        shown = editor.query_one("#setting-list", OptionList)
        shown.focus()
        shown.highlighted = shown.get_option_index("samples_per_class")
        await pilot.press("enter")
        box = editor.query_one("#value", Input)
        assert box.value == "16"
        box.value = "1"
        await pilot.pause()
        assert "must be 2 or more" in text_of(app)
        await pilot.press("enter")
        assert editor.config.samples_per_class == 16, "a value that cannot work is not taken"
        box.value = "8"
        await pilot.press("enter")
        await pilot.pause()
        assert editor.config.samples_per_class == 8
        assert "10 classes, 8 samples of each" in text_of(app), "what to mind before it starts"
        await pilot.press("backspace")
        assert editor.config == PRESETS["digits"].config


async def test_settings_are_found_by_name(tmp_path):
    app = Console(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("slash", *"warmup", "enter")
        await pilot.pause()
        assert "warmup_steps" in text_of(app)
        assert "momentum" not in text_of(app)


async def test_overrides_of_the_command_line_are_marked_and_minded(tmp_path):
    app = Console(tmp_path, preset="digits", overrides={"embedding_size": 4})
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(0.1)
        shown = text_of(app)
        assert "* embedding_size" in shown
        assert "Welch" in shown


def test_every_value_is_shown_as_it_can_be_typed_back():
    config = PRESETS["digits"].config
    for item in ordered_settings():
        if config.has(item.name):
            value = config.get(item.name)
            assert item.parse(as_typed(value)) == value, item.name
    assert as_typed(1 / 137) == "1/137"


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
