"""Draws every screen of the console over a real run, as SVG: `python -m tests.screenshots RUN OUT [SCREEN …]`."""

import asyncio
import os
import sys
from pathlib import Path

from simo2_core.run.directory import RunDirectory, find_run
from simo2_tui.app import Console
from simo2_tui.session.follow import FollowSession

SIZES = ((80, 24), (160, 45))
EARLY = ("E", *["comma"] * 15)
SCREENS = {
    "launcher": (),
    "monitor": (),
    "embedding": EARLY,
    "nearest": (*EARLY, "right", "right"),
    "runs": ("R", "space", *("down", "space") * 3, "u"),
}
"""Each screen with the keys that lead to it. The embedding of an early snapshot: in the end each class is one point."""


async def _draw(run: RunDirectory, out: Path, size: tuple[int, int], name: str) -> None:
    session = None if name == "launcher" else FollowSession(run)
    if session:
        session.start()
        session.wait_until_read(10)
    app = Console(run.path.parent, session=session)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(1.0)
        for key in SCREENS[name]:
            await pilot.press(key)
            await pilot.pause(0.2)
        await pilot.pause(6.0 if name == "monitor" else 2.5)  # the device panel needs two looks
        app.save_screenshot(f"{name}-{size[0]}x{size[1]}.svg", path=str(out))
    if session:
        session.close()


def main() -> None:
    """Draws them all, or the screens that are named."""
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
    run, out, names = find_run(sys.argv[1], Path("runs")), Path(sys.argv[2]), sys.argv[3:] or list(SCREENS)
    out.mkdir(parents=True, exist_ok=True)
    for size in SIZES:
        for name in names:
            asyncio.run(_draw(run, out, size, name))


if __name__ == "__main__":
    main()
