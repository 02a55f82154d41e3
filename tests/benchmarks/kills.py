"""How many kills a run survives: `python -m tests.benchmarks.kills 32`. Prints the figures that the guide quotes."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.simo2_tui.cli.killing import AIMS, Killer


def run(kills: int, seed: int = 1) -> None:
    """Kills `kills` processes, a quarter of them at each aim; stops at the first thing that is lost."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="simo2-kills-") as folder:
        os.environ["SIMO2_CACHE"] = folder
        killer = Killer(Path(folder), seed)
        while killer.figures["kills"] < kills:
            killer.kill(AIMS[killer.figures["kills"] % len(AIMS)])
            print(dict(killer.figures), flush=True)
        killer.end()
        print(f"{time.monotonic() - start:.0f} s; nothing saved was lost: {dict(killer.figures)}")


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 32)
