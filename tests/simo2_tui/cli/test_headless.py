import os
import signal

import pytest

from simo2_tui.cli.headless import listen


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
