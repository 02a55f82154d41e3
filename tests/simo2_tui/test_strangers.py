"""Runs whose parts are somebody else's: watched where the code is here, refused in one line where it is not."""

import json

import pytest

from simo2_core import parts
from simo2_core.errors import MissingPartError
from simo2_core.run.directory import RunDirectory
from simo2_tui.app import Console
from simo2_tui.cli.own_parts import take_parts
from simo2_tui.screens.monitor import MonitorScreen
from simo2_tui.session.follow import FollowSession
from tests.simo2_tui.recorded import write_run
from tests.simo2_tui.screen_text import text_of

MINE = """
from dataclasses import dataclass
from simo2_core.objectives.objective import Objective, Term
from simo2_core.settings import setting

@dataclass(frozen=True, kw_only=True)
class Mine(Objective):
    tightness: float = setting(0.5, "how tight")

    def terms(self, classes, samples_per_class):
        return {"total": Term("tightness of mine", floor=0.0), "same": Term("of mine", pairs=1000)}
"""


def of_a_stranger(tmp_path, **part):
    """A recorded run whose settings name an objective that is not simo2's own."""
    run = write_run(tmp_path, "theirs", upto=80, finish="completed")
    path = run.path / "config.json"
    written = json.loads(path.read_text())
    written["config"]["objective"] = {**part, "tightness": 0.7}
    written.pop("sha256", None)
    path.write_text(json.dumps(written))
    return RunDirectory.open(run.path)


@pytest.fixture
def reference(tmp_path, monkeypatch):
    monkeypatch.setenv(parts.VARIABLE, "")
    (tmp_path / "mine.py").write_text(MINE)
    return f"{tmp_path}/mine.py:Mine"


async def test_with_the_reference_a_run_is_watched_with_the_terms_and_settings_of_its_part(tmp_path, reference):
    run = of_a_stranger(tmp_path, part="mine.py:Mine")
    with pytest.raises(MissingPartError, match=r"Add --with mine\.py:Mine if you trust it"):
        FollowSession(run)
    assert take_parts(["attach", "theirs", "--with", reference]) == ["attach", "theirs"]
    session = FollowSession(run)
    assert session.config.get("tightness") == 0.7
    session.start()
    assert session.wait_until_read(5)
    app = Console(tmp_path, session=session)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause(0.1)
        await pilot.press("u")
        await pilot.pause(0.1)
        assert "same 0.351" in text_of(app), "counted by pairs of which the part says how many there are"
        await pilot.press("E")
        await pilot.pause(0.1)
        assert app._exception is None
    session.close()


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"part": "mine", "package": "their-package"}, "is of the package their-package, which is not installed here"),
        ({"part": "mine.py:Mine"}, "Add --with mine.py:Mine if you trust it"),
    ],
)
async def test_without_the_code_every_way_to_a_run_says_in_a_line_what_is_missing(tmp_path, reference, part, said):
    of_a_stranger(tmp_path, **part)
    app = Console(tmp_path)
    async with app.run_test(size=(120, 36)) as pilot:
        for keys in (("shift+tab", "enter"), ("E",), ("R", "enter"), ("space",), ("E",)):
            app.clear_notifications()
            await pilot.press(*keys)
            await pilot.pause(0.05)
            assert not isinstance(app.screen, MonitorScreen)
            [told] = [str(item.message) for item in app._notifications]
            assert said in told, keys
        assert "theirs" in text_of(app)
