"""Going on with an earlier run: from the launcher, from the list of runs, and after a loss that was not finite."""

import threading

import numpy as np
import pytest
from textual.widgets import OptionList

from simo2_core.background import left_behind
from simo2_core.errors import DivergedError
from simo2_core.run.summary import summarise
from simo2_tui import opener
from simo2_tui.app import Console
from simo2_tui.leaving import CANCELLED
from simo2_tui.screens.dialogs import FailureScreen
from simo2_tui.screens.launcher import LauncherScreen
from simo2_tui.screens.monitor import MonitorScreen
from simo2_tui.session.follow import FollowSession
from tests import tiny
from tests.simo2_tui.recorded import write_run
from tests.simo2_tui.screen_text import screen_rows
from tests.tiny import QUIET

TINY = tiny.TINY | QUIET | {"warmup_steps": 0}


async def until(pilot, check, what, seconds=120.0):
    for _ in range(int(seconds / 0.05)):
        if check():
            return
        await pilot.pause(0.05)
    raise AssertionError(f"{what} did not happen")


async def test_enter_replays_a_complete_run_and_r_finds_nothing_to_resume(tmp_path):
    run = write_run(tmp_path, upto=400, finish="completed")
    app = Console(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("r")
        assert "no unfinished run" in str(next(iter(app._notifications)).message)
        app.screen.query_one("#recent", OptionList).focus()
        await pilot.press("enter")
        await pilot.pause(0.1)
        assert isinstance(app.session, FollowSession)
        assert app.session.run.path == run.path
        app.session.close()


async def test_enter_looks_at_an_unfinished_run_and_does_not_go_on_with_it(tmp_path):
    write_run(tmp_path, upto=200)
    app = Console(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        app.screen.query_one("#recent", OptionList).focus()
        await pilot.press("enter")
        await pilot.pause(0.1)
        assert isinstance(app.session, FollowSession)
        app.session.close()


async def test_a_run_that_has_settled_is_told_the_command_that_goes_on_with_it_from_any_folder(tmp_path):
    run = write_run(tmp_path, upto=200, finish="settled")
    app = Console(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        app.opener.resume(run)
        await pilot.pause(0.05)
        assert str(next(iter(app._notifications)).message).endswith(f"simo2 resume {run.path} --patience 0")


async def test_a_console_that_only_watches_does_so_whatever_it_shows_later(tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(opener, "LiveSession", lambda *_, **named: trained.append(named))
    first, second = (write_run(tmp_path, name, upto=80) for name in ("aaa", "bbb"))
    app = Console(tmp_path, session=FollowSession(first, read_only=True))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("escape")
        assert isinstance(app.screen, LauncherScreen)
        await until(pilot, lambda: "quit" in screen_rows(app)[-1], "the last row")
        assert "resume" not in screen_rows(app)[-1]
        await pilot.press("enter", "r")
        assert all("opened with --read-only" in str(item.message) for item in app._notifications)
        assert len(app._notifications) == 2
        for keys in (("enter",), ("R", "enter")):
            app.screen.query_one("#recent", OptionList).focus()
            await pilot.press(*keys)
            await pilot.pause(0.1)
            assert isinstance(app.screen, MonitorScreen)
            assert app.session.run.path == second.path
            assert app.session.read_only
            app.session.close()
            await pilot.press("r", "escape")
        await pilot.press("R")
        await until(pilot, lambda: "quit" in screen_rows(app)[-1], "the last row")
        assert "resume" not in screen_rows(app)[-1]
    assert trained == []


@pytest.mark.slow
async def test_a_run_that_diverged_goes_back_stops_saved_and_is_resumed_from_the_launcher(tmp_path, monkeypatch):
    monkeypatch.setattr("simo2_core.config.RATE_AFTER_DIVERGENCE", 1e-33)
    wild = {**TINY, "steps": 100_000, "optimizer": "sgd", "learning_rate": 1e30}
    app = Console(tmp_path, preset="digits", overrides=wild)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, FailureScreen), "the failure screen")
        first = app.session
        kept = first.history.checkpoints[-1].step
        assert kept == 1, "one step takes the weights to where the loss is not finite"
        assert "the beginning" in app.screen._cure
        await pilot.press("g")
        assert isinstance(app.screen, MonitorScreen)
        assert app.session is not first
        await until(pilot, lambda: app.session.history.step > 5 or not app.session.alive, "more steps")
        await pilot.press("q", "s")
        await until(pilot, lambda: app.return_value is not None, "the second end")
    assert app.return_value == CANCELLED
    assert not app.session.alive
    history, run = app.session.history, app.session.run
    assert run.path == first.run.path
    assert history.starts[-1].step == 0, "not the state that gave the loss"
    assert history.finished.reason == "stopped"
    assert (run.path / history.finished.checkpoint).is_dir()
    assert run.config.optim.learning_rate == pytest.approx(1e-3)
    assert np.isfinite(history.steps.column("total")).all()
    assert (run.checkpoints / "1.diverged").is_dir(), "kept for whoever asks why"

    stopped_at = history.step
    app = Console(tmp_path, preset="digits")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("r")
        assert app.session.run.path == run.path
        await until(pilot, lambda: app.session.history.step > stopped_at, "more steps")
        app.session.command("stop")
        await until(pilot, lambda: not app.session.alive, "the third end")
    history = app.session.history
    assert history.starts[-1].step == stopped_at
    np.testing.assert_array_equal(history.steps.column("step"), np.arange(1, history.step + 1))


async def test_leaving_before_the_first_step_waits_for_no_compiler(tmp_path, monkeypatch):
    compiled = threading.Event()
    monkeypatch.setattr("simo2_core.train.training.compile_call", lambda *_: compiled.wait(60))
    app = Console(tmp_path, preset="digits")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: app.session.history.compiling, "the compiler")
        await pilot.press("q", "s")
        await until(pilot, lambda: app.return_value is not None, "the end")
    session = app.session
    assert app.return_value == CANCELLED
    session.join(30)
    assert left_behind(), "the compiler cannot be interrupted, and nobody waited for it"
    compiled.set()
    assert [event.kind for event in session.run.events()] == ["run_started", "control", "finished"]
    assert summarise(session.run).state == "stopped"


async def test_the_failure_screen_names_the_checkpoint_that_it_goes_back_to(tmp_path):
    session = FollowSession(write_run(tmp_path, upto=280))
    session.start()
    assert session.wait_until_read(5)
    app = Console(tmp_path, session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        session.error = DivergedError("the loss is NaN.")
        app.opener.tell_failure()
        await pilot.pause(0.1)
        assert "step 100, the checkpoint before" in app.screen._cure
        await pilot.press("escape")
        assert isinstance(app.screen, MonitorScreen)
    session.close()
