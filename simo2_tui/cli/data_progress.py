"""How far preparing and decoding a data set are, drawn for a terminal."""

from __future__ import annotations

import sys
from typing import Any

from simo2_tui.plain_lines import print_visible

_DOING = {
    "waiting": "waiting for another process with",
    "download": "downloading",
    "generate": "writing",
    "labels": "reading the labels of",
    "decode": "decoding",
    "statistics": "looking at all images of",
    "verify": "verifying",
}


class DataProgress:
    """A bar for each stage, with bytes or images and the time left; nothing when quiet or piped."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.progress import BarColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        from simo2_tui.cli.printing import make_console, text_column

        self._bars = Bars(
            text_column("{task.description}"),
            BarColumn(),
            text_column("{task.fields[count]}"),
            text_column("ETA"),
            TimeRemainingColumn(compact=True),
            console=make_console(),
            disable=quiet or not sys.stdout.isatty(),
        )
        self._tasks: dict[tuple[str, str], Any] = {}

    def report(self, progress: Any) -> None:
        """Takes one `simo2_core.data.progress.Progress`."""
        from simo2_core.data.placement import human_bytes

        if progress.stage == "note":
            print_visible(f"simo2: {progress.name}", error=True)
            return
        key = (progress.stage, progress.name)
        if key not in self._tasks:
            doing = f"{_DOING[progress.stage]} {progress.name}"
            self._tasks[key] = self._bars.add_task(doing, total=None, count="")
        show = human_bytes if progress.unit == "bytes" else "{:,} images".format
        count = show(progress.done) + (f" of {show(progress.total)}" if progress.total else "")
        self._bars.update(self._tasks[key], completed=progress.done, total=progress.total or None, count=count)

    def __enter__(self) -> DataProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()
