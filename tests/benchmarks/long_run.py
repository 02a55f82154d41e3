"""A long run of a tiny model: `python -m tests.benchmarks.long_run 100000` prints memory, log size, opening time."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from simo2_core.events import StepsLogged
from simo2_core.presets import PRESETS
from simo2_core.run.control import Control
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import record
from simo2_core.train.trainer import train
from simo2_tui.session.follow import FollowSession


def resident() -> int:
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run(steps: int) -> None:
    """Trains `steps` steps and prints what they cost; warm-up is the first tenth."""
    config = PRESETS["digits"].config.replace(
        {"widths": "4", "stem_width": 2, "samples_per_class": 2, "batch_size": 4, "embedding_size": 10, "dropout": 0,
         "steps": steps, "plot_every": "never", "eval_every": "20s", "checkpoint_every": "60s", "keep": 2}
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="simo2-long-") as folder:
        directory, control = RunDirectory.create(Path(folder), "long", config), Control()
        warm, start = 0, time.monotonic()
        for event in record(train(config, directory, control), directory):
            if isinstance(event, StepsLogged):
                if not warm and event.last_step >= steps // 10:
                    warm = resident()
                if event.step // (steps // 10) != event.last_step // (steps // 10):
                    print(
                        f"step {event.last_step}: {resident() / 1e6:.0f} MB, {time.monotonic() - start:.0f} s",
                        flush=True,
                    )
                if event.last_step >= steps:
                    grown = resident() / warm - 1
                    control.send("stop", "benchmark")  # the pictures at the end are not what is measured
        begin = time.monotonic()
        session = FollowSession(directory, read_only=True)
        session.start()
        read = session.wait_until_read(60)
        print(
            f"{steps} steps: memory grew {grown:.1%} after warm-up ({warm / 1e6:.0f} MB), "
            f"log {directory.events_path.stat().st_size / 1e6:.1f} MB, "
            f"attach read it ({read}, step {session.history.step}) in {time.monotonic() - begin:.2f} s"
        )
        session.close()


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
