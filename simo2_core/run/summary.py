"""A run in one row: its state, how far it came, what it reached. Reads the log without decoding its steps."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field

from simo2_core.errors import RunError
from simo2_core.events import Evaluated, RunFinished, RunStarted, StepsLogged, from_line
from simo2_core.run.directory import RunDirectory

_TOLD = tuple(f'{{"event":"{kind.kind}"'.encode() for kind in (Evaluated, RunFinished, RunStarted))


@dataclass
class RunSummary:
    """What a list of runs shows of one."""

    run: RunDirectory
    state: str = "empty"
    """running, dead (its owner died), empty, or how it ended."""
    step: int = 0
    steps: int = 0
    knn: list[float] = field(default_factory=list)
    """Validation kNN of the representation, in order."""
    test_knn: float | None = None
    loss: float | None = None
    """Total, of the last step."""
    time: float = 0.0
    """When it last said something, in seconds since 1970."""


def summarise(run: RunDirectory) -> RunSummary:
    """Reads the summary of a run; lines that cannot be read are passed over."""
    summary = RunSummary(run)
    finished: str | None = None
    steps_line = b""
    try:
        with run.events_path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                if not line.startswith(_TOLD):
                    steps_line = line if b'"event":"steps"' in line[:40] else steps_line
                    continue
                try:
                    event = from_line(line)
                except RunError:
                    continue
                summary.time = event.time
                summary.step = max(summary.step, event.step)
                if isinstance(event, RunStarted):
                    summary.steps, finished = event.steps, None
                elif isinstance(event, RunFinished):
                    finished = event.reason
                elif isinstance(event, Evaluated) and event.split == "test":
                    summary.test_knn = event.knn_representation
                elif isinstance(event, Evaluated):
                    summary.knn.append(event.knn_representation)
    except OSError:
        return summary
    _add_last_steps(summary, steps_line)
    running = run.owned()
    summary.state = "running" if running else finished or ("dead" if summary.steps else "empty")
    return summary


def size_on_disk(run: RunDirectory) -> int:
    """Bytes of all files of a run; what vanishes while it is counted does not count."""
    total = 0
    for folder, _, names in os.walk(run.path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 (thousands of files)
    return total


def _add_last_steps(summary: RunSummary, line: bytes) -> None:
    try:
        event = from_line(line)
    except RunError:
        return
    if isinstance(event, StepsLogged):
        summary.step = max(summary.step, event.last_step)
        summary.loss = event.total[-1] if event.total else None
        summary.time = max(summary.time, event.time)
