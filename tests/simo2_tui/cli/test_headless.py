import os
import signal

import pytest

from simo2_core.run.control import STOP_SIGNALS
from simo2_tui.cli.headless import listen


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_each_signal_that_stops_asks_for_it_and_is_as_before_afterwards(number: signal.Signals) -> None:
    asked: list[str] = []
    before = signal.getsignal(number)
    with listen(asked.append, lambda _: None):
        signal.raise_signal(number)
    assert asked == [f"signal {number.name}"]
    assert signal.getsignal(number) == before


def test_a_signal_asks_for_a_stop_and_a_second_ctrl_c_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    asked: list[str] = []
    said: list[str] = []
    monkeypatch.setattr(os, "_exit", left.append)
    before = signal.getsignal(signal.SIGINT)
    with listen(asked.append, said.append):
        signal.raise_signal(signal.SIGTERM)
        assert (asked, said, left) == (["signal SIGTERM"], [], [])
        signal.raise_signal(signal.SIGINT)
    assert left == [130], "the second of all, and the first Ctrl+C"
    assert "left at once" in said[0]
    assert signal.getsignal(signal.SIGINT) == before
