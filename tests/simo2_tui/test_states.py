"""The state of a run is one word, the same in every list, on every screen and in `--json`."""

import contextlib
import json
import os

import pytest
from typer.testing import CliRunner

from simo2_core.commands import Command, Requester
from simo2_core.events import ControlApplied
from simo2_core.presets import PRESETS
from simo2_core.run.directory import RunDirectory
from simo2_core.run.event_file import EventLog
from simo2_core.run.owner import Owner, Presence
from simo2_core.run.state import State
from simo2_core.run.summary import summarise
from simo2_tui.app import Console
from simo2_tui.cli.main import app as command_line
from simo2_tui.session.base import state_of
from simo2_tui.session.follow import FollowSession
from simo2_tui.widgets.palette import ALERT, colours
from simo2_tui.widgets.text import TONE, state_style
from tests.simo2_tui.recorded import write_run
from tests.simo2_tui.screen_text import text_of


def make(run_dir, state, name="demo"):
    """A run in the state."""
    if state in (State.EMPTY, State.PREPARING):
        return RunDirectory.create(run_dir, name, PRESETS["digits"].config)
    ends = (State.COMPLETED, State.SETTLED, State.STOPPED, State.INTERRUPTED, State.DIVERGED, State.FAILED)
    run = write_run(run_dir, name, upto=8, finish=state.value if state in ends else None)
    if state in (State.PAUSED, State.STOPPING):
        word = Command.PAUSE if state is State.PAUSED else Command.STOP
        log = EventLog(run.events_path)
        log.write(ControlApplied(step=8, command=word, source=Requester.parse("keyboard")))
        log.close()
    if state is State.COMPILING:
        lines = run.events_path.read_text().splitlines(keepends=True)
        run.events_path.write_text(lines[0])
    if state is State.SILENT:
        lines = [json.loads(line) for line in run.events_path.read_text().splitlines()]
        run.events_path.write_text(
            "".join(json.dumps({**line, "time": 1e9}, separators=(",", ":")) + "\n" for line in lines)
        )
    if state is State.DAMAGED:
        run.config_path.write_text("{")
    return run


STATES = [state for state in State if state is not State.READING]
TOGETHER = 5
"""Runs of as many states are looked at in one console: the launcher has room for them."""


@pytest.mark.parametrize("first", range(0, len(STATES), TOGETHER))
async def test_every_face_says_the_same_of_a_run(tmp_path, first):
    states = STATES[first : first + TOGETHER]
    runs = {state: make(tmp_path, state, f"run-{number}") for number, state in enumerate(states)}
    with contextlib.ExitStack() as owned:
        for state, run in runs.items():
            if state.running:
                owned.enter_context(run.own())
            if state is State.SILENT:  # the run was taken long ago as well
                os.utime(run.path / "lock", (1e9, 1e9))
            assert summarise(run).state is state
        told = CliRunner().invoke(command_line, ["runs", "--run-dir", str(tmp_path), "--json"]).stdout.splitlines()
        rows = {row.get("name"): row for row in map(json.loads, told)}
        for state, run in runs.items():
            assert (rows[run.name]["state"], rows[run.name]["running"]) == (state.value, state.running)
        app = Console(tmp_path)
        async with app.run_test(size=(120, 40)) as pilot:
            await app.workers.wait_for_complete()
            await pilot.pause(0.1)
            for state, run in runs.items():
                assert f"{state.value:<12}" in line_of(app, run), "the launcher"
            await pilot.press("R")
            await app.workers.wait_for_complete()
            await pilot.pause(0.1)
            for state, run in runs.items():
                assert state.value in line_of(app, run), "the list of runs"
            await pilot.resize_terminal(80, 24)
            for state, run in runs.items():
                if state is State.DAMAGED:  # it cannot be opened, and the list says why
                    continue
                app.opener.follow(run)
                assert app.session.wait_until_read(5)
                assert state_of(app.session) is state
                await pilot.pause(0.1)
                assert text_of(app).splitlines()[0].split()[1] == state.value, "the monitor"
            if app.session is not None:
                app.session.close()


def line_of(app, run):
    return next(line for line in text_of(app).splitlines() if run.name in line)


async def test_a_silent_owner_is_named_with_what_helps(tmp_path):
    run = make(tmp_path, State.SILENT)
    session = FollowSession(run)
    session.start()
    assert session.wait_until_read(5)
    for owner, said in (
        (Owner(Presence.ELSEWHERE, 7, "node12", 1e9), ("on node12", "cannot be asked from here: simo2 resume")),
        (Owner(Presence.HERE, 7, "here", 1e9), ("silent for", "process 7 on here lives and says nothing")),
    ):
        session._owner, session._looked = owner, float("inf")
        app = Console(tmp_path, session=session)
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause(0.1)
            status, values = text_of(app).splitlines()[:2]
            assert said[0] in status
            assert said[1] in values
    session.close()


async def test_r_does_not_train_over_a_run_that_another_machine_may_train(tmp_path):
    run = write_run(tmp_path, "demo", upto=8)
    text = "process 7 on node12\nstarted 1 boot another in pid:[1]\n"
    (run.path / "lock").write_text(text)
    app = Console(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        app.opener.resume(run)
        await pilot.pause(0.1)
        assert isinstance(app.session, FollowSession)
        said = str(next(iter(app._notifications)).message)
        assert "process 7 on node12 may be training it" in said
        assert said.endswith(f"simo2 resume {run.path}"), "whatever folder it is typed in"
        assert "on node12" in text_of(app).splitlines()[0]
        app.session.close()
    assert (run.path / "lock").read_text() == text


def test_every_state_has_an_ink_and_a_style():
    assert set(TONE) == set(State)
    table = colours(True)
    assert "bold" in state_style(State.TRAINING, table)
    assert state_style(State.DEAD, table) == table[ALERT]
