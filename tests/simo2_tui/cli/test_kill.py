"""kill -9: at each kind of moment once; `tests/benchmarks/kills.py` does many."""

from pathlib import Path

import pytest

from tests.simo2_tui.cli.killing import AIMS, Killer


@pytest.mark.slow
def test_a_killed_run_loses_nothing_that_was_saved(tmp_path: Path) -> None:
    killer = Killer(tmp_path, seed=10, pause=0.02, steps=56)  # with this seed no kill waits for more than one save
    for aim in AIMS:
        killer.kill(aim)
    killer.end()
    assert killer.figures["runs ended bit for bit the same"] >= 1
    assert killer.figures["lines cut in the middle"] + killer.figures["saves cut in the middle"] >= 1
