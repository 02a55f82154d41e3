"""The manual inside the console, reached from the help of every screen."""

from pathlib import Path

from textual.widgets import OptionList

from simo2_tui.app import Console
from simo2_tui.guide.pages import list_pages
from simo2_tui.screens.dialogs import HelpScreen
from simo2_tui.screens.guide import GuideScreen
from simo2_tui.screens.launcher import LauncherScreen
from tests.documents import GUIDE, WIDEST_CODE, fences
from tests.simo2_tui.screen_text import text_of

TOPICS = [page.topic for page in list_pages()]


async def test_help_offers_the_guide_which_lists_shows_and_turns_its_pages(tmp_path: Path) -> None:
    app = Console(tmp_path)
    async with app.run_test(size=(80, 30)) as pilot:
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.pause()
        assert "g the guide" in text_of(app)
        await pilot.press("g")
        assert isinstance(app.screen, GuideScreen)
        await pilot.pause()
        listed = app.screen.query_one(OptionList)
        assert [option.id for option in listed.options] == TOPICS
        assert all(topic in text_of(app) for topic in TOPICS[:20]), "and what has no room is scrolled to"
        assert "─ guide ─" in text_of(app)
        await pilot.press("down", "enter")
        await pilot.pause()
        assert text_of(app).splitlines()[1].strip() == "Train"
        for keys, title in (("n", "The console"), ("p", "Train"), ("p", "Start"), ("p", "Measured")):
            await pilot.press(keys)
            await pilot.pause()
            assert text_of(app).splitlines()[1].strip() == title
        await pilot.press("escape")
        assert app.screen.query_one(OptionList).highlighted == len(TOPICS) - 1
        await pilot.press("escape")
        assert isinstance(app.screen, LauncherScreen)


async def test_code_keeps_its_lines_on_80_columns(tmp_path: Path) -> None:
    app = Console(tmp_path)
    async with app.run_test(size=(80, 200)) as pilot:
        await pilot.press("question_mark", "g", *["down"] * TOPICS.index("eval"), "enter")
        await pilot.pause()
        shown = [line.strip() for line in text_of(app).splitlines()]
        for fence in fences(GUIDE / "eval.md"):
            assert all(line.strip() in shown for line in fence.text.splitlines())
        assert app.screen.query_one("#page").size.width >= WIDEST_CODE
