"""The state of a run is one word, the same in every list, on every screen and in `--json`."""

import contextlib
import json

import pytest
from typer.testing import CliRunner

from simo2_core.commands import Command, Source
from simo2_core.events import ControlApplied
from simo2_core.presets import PRESETS
from simo2_core.run.directory import RunDirectory
from simo2_core.run.event_file import EventLog
from simo2_core.run.state import State
from simo2_core.run.summary import summarise
from simo2_tui.app import Console
from simo2_tui.cli.main import app as command_line
from simo2_tui.session.base import state_of
from simo2_tui.session.follow import FollowSession
from simo2_tui.widgets.text import TONE, state_style
from tests.simo2_tui.recorded import write_run
from tests.simo2_tui.test_screens import text_of


def make(run_dir, state):
    """A run in the state, and whether a process holds it."""
    if state in (State.EMPTY, State.PREPARING):
        return RunDirectory.create(run_dir, "demo", PRESETS["digits"].config)
    ends = (State.COMPLETED, State.STOPPED, State.INTERRUPTED, State.DIVERGED, State.FAILED)
    run = write_run(run_dir, "demo", upto=8, finish=state.value if state in ends else None)
    if state in (State.PAUSED, State.STOPPING):
        word = Command.PAUSE if state is State.PAUSED else Command.STOP
        log = EventLog(run.events_path)
        log.write(ControlApplied(step=8, command=word, source=Source.parse("keyboard")))
        log.close()
    if state is State.COMPILING:
        lines = run.events_path.read_text().splitlines(keepends=True)
        run.events_path.write_text(lines[0])
    if state is State.DAMAGED:
        run.config_path.write_text("{")
    return run


@pytest.mark.parametrize("state", [state for state in State if state is not State.READING])
async def test_every_face_says_the_same_of_a_run(tmp_path, state):
    run = make(tmp_path, state)
    with run.own() if state.running else contextlib.nullcontext():
        assert summarise(run).state is state
        row = json.loads(
            CliRunner().invoke(command_line, ["runs", "--run-dir", str(tmp_path), "--json"]).stdout.splitlines()[0]
        )
        assert (row["state"], row["running"]) == (state.value, state.running)
        app = Console(tmp_path)
        async with app.run_test(size=(120, 40)) as pilot:
            await app.workers.wait_for_complete()
            await pilot.pause(0.1)
            assert f"{state.value:<12}" in text_of(app), "the launcher"
            await pilot.press("R")
            await app.workers.wait_for_complete()
            await pilot.pause(0.1)
            assert state.value in text_of(app), "the list of runs"
        if state is State.DAMAGED:  # it cannot be opened, and the list says why
            return
        session = FollowSession(run)
        session.start()
        assert session.wait_until_read(5)
        assert state_of(session) is state
        app = Console(tmp_path, session=session)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause(0.1)
            assert text_of(app).splitlines()[0].split()[1] == state.value, "the monitor"
        session.close()


def test_every_state_has_an_ink_and_a_style():
    assert set(TONE) == set(State)
    assert "bold" in state_style(State.TRAINING)
    assert state_style(State.DEAD) == "red"
