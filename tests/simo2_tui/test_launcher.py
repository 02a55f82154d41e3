"""The launcher: presets, recent runs, every setting, the name of the next run."""

import pytest
from textual.widgets import Input, OptionList

from simo2_core.data import small_photographs
from simo2_core.errors import PartError
from simo2_core.first_settings import first_settings
from simo2_core.presets import PRESETS
from simo2_core.settings import as_typed
from simo2_tui.app import Console
from simo2_tui.opener import Opener
from simo2_tui.screens import launcher, settings
from simo2_tui.screens.launcher import LauncherScreen
from simo2_tui.screens.settings import NAME, SettingsEditor, ordered_settings
from tests.simo2_tui.recorded import write_run
from tests.simo2_tui.screen_text import SIZES, text_of, until


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


async def test_what_a_length_replaced_comes_back_with_it(tmp_path):
    app = Console(tmp_path, preset="cifar10")
    async with app.run_test(size=(120, 40)) as pilot:
        editor = app.screen.query_one(SettingsEditor)
        shown, box = editor.query_one("#setting-list", OptionList), editor.query_one("#value", Input)
        begun = editor.config
        assert (begun.minutes, begun.max_passes) == (20, 60)
        for name, value, left in (
            ("steps", "700", (0, 0)),
            ("minutes", "60", (60, 0)),
            ("labels_per_class", "9", (20, 0)),
        ):
            shown.focus()
            shown.highlighted = shown.get_option_index(name)
            await pilot.press("enter")
            box.value = value
            await pilot.press("enter")
            await pilot.pause()
            assert (editor.config.minutes, editor.config.max_passes) == left
            shown.focus()
            shown.highlighted = shown.get_option_index(name)
            await pilot.press("backspace")
            await pilot.pause()
            assert editor.config == begun


async def test_a_setting_of_a_part_that_the_preset_lacks_goes_back_to_what_the_part_has_by_itself(tmp_path):
    app = Console(tmp_path, preset="digits", overrides={"objective": "supcon", "temperature": 0.7})
    async with app.run_test(size=(120, 40)) as pilot:
        editor = app.screen.query_one(SettingsEditor)
        shown = editor.query_one("#setting-list", OptionList)
        shown.focus()
        shown.highlighted = shown.get_option_index("temperature")
        await pilot.press("backspace")
        await pilot.pause()
        assert editor.config.objective == type(editor.config.objective)()


async def test_a_part_of_the_preset_that_is_chosen_again_has_the_presets_settings(tmp_path):
    app = Console(tmp_path, preset="digits")
    async with app.run_test(size=(120, 40)) as pilot:
        editor = app.screen.query_one(SettingsEditor)
        shown = editor.query_one("#setting-list", OptionList)
        shown.focus()
        for objective in ("supcon", "simo2"):
            shown.highlighted = shown.get_option_index("objective")
            await pilot.press("enter")
            editor.query_one("#value", Input).value = objective
            await pilot.press("enter")
            await pilot.pause()
            assert editor.config.get("objective") == objective
        assert editor.config.get("negatives") == "slots", "of simo2 by itself it is auto"
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


async def test_a_folder_of_small_photographs_begins_with_their_recipe_which_can_be_taken_back(tmp_path, monkeypatch):
    monkeypatch.setattr(small_photographs, "are_small_photographs", lambda _: True)
    given = {"dataset": str(tmp_path / "photos"), "seed": 3}
    app = Console(tmp_path, overrides=given)
    async with app.run_test(size=(160, 40)) as pilot:
        editor = app.screen.query_one(SettingsEditor)
        await until(pilot, lambda: editor.config.recipe == "fast")
        await pilot.pause(0.1)
        assert editor.config == first_settings(None, given).config, "as on the command line"
        assert editor.config.model.encoder.name == "airbench"
        assert "photos: settings, recipe fast" in text_of(app)
        assert "--recipe none trains" in text_of(app)
        shown = editor.query_one("#setting-list", OptionList)
        shown.focus()
        shown.highlighted = shown.get_option_index("recipe")
        await pilot.press("enter", *["backspace"] * 4, *"none", "enter")
        await pilot.pause(0.1)
        assert editor.config == first_settings(None, {**given, "recipe": "none"}).config
        assert (editor.config.seed, editor.config.model.encoder.name) == (3, "yatcnn")
        assert "recipe fast" not in str(editor.border_title)


async def test_a_folder_that_is_typed_begins_as_one_of_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setattr(small_photographs, "are_small_photographs", lambda name: name.endswith("photos"))
    app = Console(tmp_path, preset="digits", overrides={"seed": 3})
    async with app.run_test(size=(160, 40)) as pilot:
        editor = app.screen.query_one(SettingsEditor)
        shown = editor.query_one("#setting-list", OptionList)
        shown.focus()
        for name, recipe in (("./letters", "none"), ("./photos", "fast")):
            shown.highlighted = shown.get_option_index("dataset")
            await pilot.press("enter")
            editor.query_one("#value", Input).value = name
            await pilot.press("enter")
            await until(pilot, lambda name=name, recipe=recipe: editor.config.recipe == recipe)
            assert editor.config.data.dataset == name
        assert editor.config == first_settings(None, {"dataset": "./photos", "seed": 3}).config
        presets = app.screen.query_one("#presets", OptionList)
        presets.highlighted = list(PRESETS).index("mnist")
        await pilot.pause(0.1)
        assert editor.config == first_settings("mnist", {"seed": 3}).config, "a preset that is chosen has its own data"


async def test_a_folder_whose_settings_do_not_go_with_what_was_changed_leaves_those_that_are_shown(
    tmp_path, monkeypatch
):
    looked = []
    monkeypatch.setattr(small_photographs, "are_small_photographs", looked.append)
    app = Console(tmp_path, preset="digits")
    async with app.run_test(size=(120, 40)) as pilot:
        editor = app.screen.query_one(SettingsEditor)
        shown = editor.query_one("#setting-list", OptionList)
        for name, value in (("batch_size", "40"), ("dataset", "./photos")):
            shown.focus()
            shown.highlighted = shown.get_option_index(name)
            await pilot.press("enter")
            editor.query_one("#value", Input).value = value
            await pilot.press("enter")
            await pilot.pause()
        await until(pilot, lambda: looked)
        await app.workers.wait_for_complete()
        assert editor.config == PRESETS["digits"].config.replace({"batch_size": 40, "dataset": "./photos"})
        assert app.is_running


async def test_a_part_of_ones_own_that_raises_is_told_and_the_settings_stay(tmp_path, monkeypatch):
    def refuse(*_):
        raise PartError("the objective Mine raised ValueError.")

    def first(name, given, *, look):
        return refuse() if given else first_settings(name, given, look=look)

    app = Console(tmp_path, preset="digits")
    async with app.run_test(size=(120, 40)) as pilot:
        editor = app.screen.query_one(SettingsEditor)
        shown = editor.query_one("#setting-list", OptionList)
        monkeypatch.setattr(settings, "_taken_back", refuse)
        monkeypatch.setattr(launcher, "first_settings", first)
        shown.focus()
        shown.highlighted = shown.get_option_index("batch_size")
        await pilot.press("backspace")
        app.screen._load({"seed": 3})
        await pilot.pause()
        assert [str(item.message) for item in app._notifications] == ["the objective Mine raised ValueError."] * 2
        assert editor.config == PRESETS["digits"].config


async def test_where_the_settings_have_no_room_no_line_takes_the_keys_unseen(tmp_path):
    app = Console(tmp_path)
    async with app.run_test(size=(90, 14)) as pilot:
        await until(pilot, lambda: "start" in text_of(app).splitlines()[-1])
        await until(pilot, lambda: "find" not in text_of(app).splitlines()[-1])
        assert "N name" not in text_of(app).splitlines()[-1]
        for key in ("N", "slash"):
            await pilot.press(key)
            assert not isinstance(app.screen.focused, Input)
        said = [str(item.message) for item in app._notifications]
        assert len(said) == 2
        assert all("90×14 has no room to type in; 60×15 has" in line for line in said)
        await pilot.resize_terminal(90, 20)
        await until(pilot, lambda: "N name / find" in text_of(app).splitlines()[-1])
        await pilot.press("N")
        assert isinstance(app.screen.focused, Input)
        await pilot.resize_terminal(90, 14)
        await until(pilot, lambda: not isinstance(app.screen.focused, Input))


@pytest.mark.parametrize(
    ("preset", "given", "recipe"),
    [("cifar10", {}, "fast"), (None, {"dataset": "cifar100"}, "fast"), ("cifar10", {"widths": "8,8"}, "none")],
)
async def test_a_preset_begins_with_its_recipe_as_on_the_command_line(tmp_path, preset, given, recipe):
    app = Console(tmp_path, preset=preset, overrides=given)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(0.1)
        editor = app.screen.query_one(SettingsEditor)
        assert editor.config == first_settings(preset, given).config
        assert editor.config.recipe == recipe


def test_every_value_is_shown_as_it_can_be_typed_back():
    config = PRESETS["digits"].config
    for item in ordered_settings():
        if config.has(item.name):
            value = config.get(item.name)
            assert item.parse(as_typed(value)) == value, item.name
    assert as_typed(1 / 137) == "1/137"


async def test_a_run_is_named_in_the_launcher(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(Opener, "start", lambda self, config, name=None: started.append(name))
    write_run(tmp_path, "taken", upto=8)
    app = Console(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        editor = app.screen.query_one(SettingsEditor)
        await pilot.press("enter")
        for name, said in (("-x", "must be letters"), ("taken", "exists already")):
            await pilot.press("N", *(["backspace"] * 9), *name)
            await pilot.pause(0.05)
            assert said in text_of(app).replace("\n", " ")
            await pilot.press("enter")
            assert editor.run_name == "", "one that cannot be is not taken"
            await pilot.press("escape")
        await pilot.press("N", *"mine-1", "enter")
        await pilot.pause(0.05)
        assert "* name" in text_of(app)
        app.screen.action_start()
        listing = editor.query_one("#setting-list", OptionList)
        listing.highlighted = listing.get_option_index(NAME)
        await pilot.press("backspace")
        app.screen.action_start()
    assert started == [None, "mine-1", None]


async def test_the_name_of_the_command_line_is_that_of_the_first_run_alone(tmp_path, monkeypatch):
    started = []

    def start(self, config, name=None):
        started.append(name)
        if name:
            (tmp_path / name).mkdir()

    monkeypatch.setattr(Opener, "start", start)
    app = Console(tmp_path, name="first")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter", "enter")
    assert started == ["first", None]


async def test_the_newest_runs_of_the_launcher_are_live_and_the_cursor_stays_with_its_run(tmp_path):
    run = write_run(tmp_path, "aaa", upto=80)
    app = Console(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(0.05)
        assert "dead " in text_of(app)
        listing = app.screen.query_one("#recent", OptionList)
        with run.own():
            app.screen._shelf._next = 0.0
            app.screen.poll()
            await until(pilot, lambda: "training" in text_of(app))
            write_run(tmp_path, "bbb", upto=8)
            app.screen._shelf._next = 0.0
            app.screen.poll()
            await until(pilot, lambda: "bbb" in text_of(app))
        assert app.screen._recent[listing.highlighted].run.name == "aaa"


@pytest.mark.parametrize(("ascii_only", "shown"), [(True, "Enter start"), (False, "⏎ start")])
async def test_keys_are_called_by_name_where_their_signs_cannot_be_drawn(tmp_path, ascii_only, shown):
    app = Console(tmp_path, ascii_only=ascii_only)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: shown in text_of(app))


async def test_the_first_time_nothing_is_shown_empty_or_offered_that_is_not_there(tmp_path):
    app = Console(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "start" in text_of(app).splitlines()[-1])
        assert "recent runs" not in text_of(app)
        await until(pilot, lambda: "resume" not in text_of(app).splitlines()[-1])
        assert "embedding" not in text_of(app).splitlines()[-1]
        await pilot.press("R")
        await until(pilot, lambda: "no run yet: Esc, then" in text_of(app))
        await until(pilot, lambda: "quit" in text_of(app).splitlines()[-1])
        assert "mark" not in text_of(app).splitlines()[-1]
        await pilot.press("escape")
        write_run(tmp_path, upto=40)
        app.screen.show_recent()
        await until(pilot, lambda: "recent runs" in text_of(app))
        await until(pilot, lambda: "r resume" in text_of(app).splitlines()[-1])


async def test_where_there_is_little_room_words_are_whole_or_not_there(tmp_path):
    app = Console(tmp_path)
    async with app.run_test(size=(60, 20)) as pilot:
        await until(pilot, lambda: "mnist" in text_of(app))
        await until(pilot, lambda: "sci…" not in text_of(app))
        shown = text_of(app)
        assert "400…" not in shown
        assert "400" in shown
        await pilot.resize_terminal(160, 45)
        await until(pilot, lambda: "scikit-learn's 1,797" in text_of(app).split("ready")[0])
