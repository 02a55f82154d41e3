"""Without colours: what a background says otherwise is said by reversed text, and what is said of signs is true."""

import pytest
from textual.widgets import Static

from simo2_tui.app import Console
from simo2_tui.screens.dialogs import STOP, ChoiceDialog, HelpScreen
from simo2_tui.screens.guide import GuideScreen
from tests.simo2_tui.recorded import write_run
from tests.simo2_tui.screen_text import screen_rows


def reversed_rows(app):
    """The rows of the screen in which letters other than titles are reversed."""
    strips = app.screen._compositor.render_strips()
    rows = []
    for strip in strips:
        words = [piece.text for piece in strip if piece.style and piece.style.reverse and len(piece.text.strip()) > 2]
        rows += [" ".join(words)] if words else []
    return rows


async def test_one_row_of_the_lists_is_reversed_that_with_the_keys(tmp_path):
    write_run(tmp_path, finish="completed", upto=40)
    app = Console(tmp_path, colour=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.2)
        for chosen in ("digits", "steps", "digits-demo"):
            rows = [row for row in reversed_rows(app) if row.strip() not in ("simo2", "presets", "recent runs")]
            rows = [row for row in rows if "settings" not in row]
            assert len(rows) == 1, (chosen, rows)
            assert chosen in rows[0] or chosen == "steps"
            await pilot.press("tab")
            await pilot.pause(0.1)


@pytest.mark.parametrize(
    ("screen", "word"), [(GuideScreen, "start"), (lambda: ChoiceDialog(*STOP), "take a checkpoint")]
)
async def test_the_chosen_row_of_a_dialog_is_reversed(tmp_path, screen, word):
    app = Console(tmp_path, colour=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.1)
        app.push_screen(screen())
        await pilot.pause(0.2)
        rows = [row for row in reversed_rows(app) if word in row]
        assert len(rows) == 1
        await pilot.press("down")
        await pilot.pause(0.1)
        assert not [row for row in reversed_rows(app) if word in row]


@pytest.mark.parametrize(("colour", "said"), [(True, "warnings red"), (False, "! a warning")])
async def test_help_tells_the_signs_that_are_drawn(tmp_path, colour, said):
    app = Console(tmp_path, colour=colour)
    async with app.run_test(size=(120, 60)) as pilot:
        app.push_screen(HelpScreen(["training"]))
        await pilot.pause(0.2)
        assert said in str(app.screen.query(Static).last().render())


async def test_nothing_of_what_is_behind_a_dialog_stands_beside_it(tmp_path):
    """With colours it is dimmed; without, a letter at the edge looks as if it were meant."""
    app = Console(tmp_path, colour=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.1)
        app.push_screen(HelpScreen(["training", "everywhere"]))
        await pilot.pause(0.2)
        assert {row[0] + row[-1] for row in screen_rows(app)} == {"  "}
