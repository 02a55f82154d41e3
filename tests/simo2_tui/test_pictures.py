"""The screens as they look, character by character, held against files; `SIMO2_DRAW=1 pytest THIS` draws them anew.

Plain text, not SVG: a change of a colour or of Textual does not touch it, and a reviewer can read what moved. Nothing
with the scatter in it: its principal axes differ in the last bits from one processor to the next.
"""

import os
import time
from pathlib import Path

import pytest

from simo2_tui.app import Console
from simo2_tui.escape import to_ascii
from simo2_tui.session.follow import FollowSession
from tests.simo2_tui.recorded import write_run
from tests.simo2_tui.screen_text import screen_rows

PICTURES = Path(__file__).parent / "pictures"


@pytest.mark.parametrize(
    ("name", "size", "keys"),
    [
        ("monitor-80x24", (80, 24), ()),
        ("monitor-40x12", (40, 12), ()),
        ("throughput-80x24", (80, 24), ("4", "m")),
        ("help-80x24", (80, 24), ("question_mark",)),
    ],
)
@pytest.mark.parametrize("ascii_only", [False, True])
async def test_a_screen_looks_as_it_did(tmp_path, monkeypatch, name, size, keys, ascii_only):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    session = FollowSession(write_run(tmp_path, upto=280, bad=150))
    session.start()
    assert session.wait_until_read(30)
    session.close()
    # Ages and times of day are the only things that are not the same each time.
    session.history.log[:] = [(0.0, line.replace(str(tmp_path), "runs")) for _, line in session.history.log]
    session.history.checkpoints.clear()
    app = Console(tmp_path, session=session, ascii_only=ascii_only)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.1)
        for key in keys:
            await pilot.press(key)
        await pilot.pause(0.1)
        drawn = "\n".join(row.rstrip() for row in screen_rows(app)) + "\n"
    drawn = "".join(map(to_ascii, drawn)) if ascii_only else drawn
    path = PICTURES / f"{name}{'-ascii' if ascii_only else ''}.txt"
    if os.environ.get("SIMO2_DRAW"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(drawn)
    assert drawn == path.read_text()
