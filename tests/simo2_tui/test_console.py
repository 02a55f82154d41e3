"""Signals to the console: those that were ignored when it began stay ignored, as everywhere."""

import signal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from simo2_core.run.control import STOP_SIGNALS
from simo2_tui import console
from simo2_tui.leaving import DETACHED


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A console and its link that say what they were asked."""
    asked: list[str] = []
    monkeypatch.setattr(console, "let_go", lambda: asked.append("let go"))
    return SimpleNamespace(
        asked=asked,
        session=None,
        give_up=lambda: None,
        hurry=lambda: None,
        leaving=SimpleNamespace(leave_soon=asked.append, stop_soon=lambda: asked.append("stop")),
    )


@pytest.mark.parametrize("ignored", STOP_SIGNALS)
def test_a_signal_that_was_ignored_stays_ignored_on_the_screen(ignored: signal.Signals, screen: Any) -> None:
    before = {number: signal.signal(number, signal.SIG_DFL) for number in STOP_SIGNALS}
    signal.signal(ignored, signal.SIG_IGN)
    try:
        with console._signals(cast(Any, screen), cast(Any, screen)):
            signal.raise_signal(ignored)
            assert screen.asked == []
            other = signal.SIGHUP if ignored != signal.SIGHUP else signal.SIGUSR1
            signal.raise_signal(other)
            assert screen.asked == (["let go", DETACHED] if other == signal.SIGHUP else ["stop"])
            signal.signal(signal.SIGTSTP, lambda *_: None)  # as Textual does
        assert signal.getsignal(ignored) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL
        others = set(STOP_SIGNALS) - {ignored}
        assert {signal.getsignal(number) for number in others} == {signal.SIG_DFL}
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)


def test_a_run_that_goes_on_without_a_screen_hears_what_was_not_ignored(screen: Any) -> None:
    before = {number: signal.signal(number, signal.SIG_DFL) for number in STOP_SIGNALS}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    heard: list[str] = []

    def join() -> None:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1):
            signal.raise_signal(number)
        raise EOFError  # the rest is not looked at here

    session = SimpleNamespace(
        run=SimpleNamespace(path="runs/one"), join=join, command=lambda word, source: heard.append(str(source))
    )
    try:
        with pytest.raises(EOFError):
            console._go_on(cast(Any, session), hung_up=False, crashed=False, detached=False, stray=None)
        assert heard == ["signal SIGTERM", "signal SIGUSR1"]
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)
