"""Going on with an earlier run: from the launcher, from the list of runs, and after a loss that was not finite."""

import numpy as np
import pytest
from textual.widgets import OptionList

from simo2_core.errors import DivergedError
from simo2_tui import app as app_module
from simo2_tui.app import Console
from simo2_tui.screens.dialogs import FailureScreen
from simo2_tui.screens.launcher import LauncherScreen
from simo2_tui.screens.monitor import MonitorScreen
from simo2_tui.session.follow import FollowSession
from tests.simo2_tui.recorded import write_run

TINY = {
    "widths": (8, 8), "embedding_size": 8, "batch_size": 20, "samples_per_class": 2, "warmup_steps": 0,
    "eval_every": "never", "plot_every": "never", "checkpoint_every": "never",
}  # fmt: skip


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


async def test_w_only_looks_at_an_unfinished_run(tmp_path):
    write_run(tmp_path, upto=200)
    app = Console(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        app.screen.query_one("#recent", OptionList).focus()
        await pilot.press("w")
        await pilot.pause(0.1)
        assert isinstance(app.session, FollowSession)
        app.session.close()


@pytest.mark.slow
async def test_the_launcher_goes_on_with_a_run_where_it_stopped(tmp_path):
    app = Console(tmp_path, preset="digits", overrides={**TINY, "steps": 100_000})
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: app.session.history.step > 3, "the first steps")
        first = app.session
        first.command("stop")
        await until(pilot, lambda: not first.alive, "the stop")
        stopped_at = first.history.step
        await pilot.press("escape")
        assert isinstance(app.screen, LauncherScreen)
        await pilot.press("r")
        assert app.session is not first
        assert app.session.run.path == first.run.path
        await until(pilot, lambda: app.session.history.step > stopped_at, "more steps")
        app.session.command("stop")
        await until(pilot, lambda: not app.session.alive, "the second stop")
        history = app.session.history
        assert history.starts[-1].step == stopped_at
        np.testing.assert_array_equal(history.steps.column("step"), np.arange(1, history.step + 1))


@pytest.mark.slow
async def test_a_run_that_diverged_goes_back_with_a_lower_learning_rate_and_trains_on(tmp_path, monkeypatch):
    monkeypatch.setattr(app_module, "LOWER", 1e-33)
    wild = {**TINY, "steps": 4000, "optimizer": "sgd", "learning_rate": 1e30}
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
        app.session.command("stop")
        await until(pilot, lambda: not app.session.alive, "the second end")
        history = app.session.history
        assert app.session.run.path == first.run.path
        assert history.starts[-1].step == 0, "not the state that gave the loss"
        assert history.finished.reason == "stopped"
        assert app.session.run.config.optim.learning_rate == pytest.approx(1e-3)
        np.testing.assert_array_equal(history.steps.column("step"), np.arange(1, history.step + 1))
        assert np.isfinite(history.steps.column("total")).all()
        assert (app.session.run.checkpoints / "1.diverged").is_dir(), "kept for whoever asks why"


async def test_the_failure_screen_names_the_checkpoint_that_it_goes_back_to(tmp_path):
    session = FollowSession(write_run(tmp_path, upto=280))
    session.start()
    assert session.wait_until_read(5)
    app = Console(tmp_path, session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        app._tell_failure(session, DivergedError("the loss is NaN."))
        await pilot.pause(0.1)
        assert "step 100, the checkpoint before" in app.screen._cure
        await pilot.press("escape")
        assert isinstance(app.screen, MonitorScreen)
    session.close()
