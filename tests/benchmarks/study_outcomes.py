"""What the runs of a study that `tests.benchmarks.studies` trained came to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from simo2_core.compare.outcome import Outcome


def outcomes(folder: Path) -> Iterator[Outcome]:
    """Those of the runs of a study that came to an end."""
    for path in sorted((folder / "runs").iterdir()):
        outcome = Outcome.read(path)
        if outcome is not None and outcome.scores:
            yield outcome
