import json
import time

import pytest

from simo2_core.errors import RunError
from simo2_core.events import RunFinished
from simo2_core.run.control import read_command
from simo2_core.run.event_file import EventLog, LineReader
from simo2_core.run.log import rewind
from simo2_core.run.state import State
from simo2_core.run.summary import SummaryReader, summarise
from simo2_tui.session import follow as follow_module
from simo2_tui.session.base import state_of
from simo2_tui.session.follow import FollowSession
from tests.simo2_tui.recorded import evaluated, logged, write_run


def wait_for(check, seconds=5.0):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def follow():
    sessions = []

    def start(run, **options):
        session = FollowSession(run, **options)
        sessions.append(session)
        session.start()
        assert session.wait_until_read(5)
        return session

    yield start
    for session in sessions:
        session.close()


def test_no_thread_is_made_before_the_start(tmp_path, monkeypatch):
    """The console forks in between, and Python 3.13 starts no thread in the child that its parent has made."""
    run = write_run(tmp_path, finish="completed", upto=8)
    monkeypatch.setattr("threading.Thread", None)
    FollowSession(run)


def test_a_torn_last_line_waits_for_its_end(tmp_path):
    path = tmp_path / "log"
    tail = LineReader(path)
    assert tail.read() == ([], False)
    path.write_bytes(b"one\ntw")
    assert tail.read() == ([b"one"], False)
    with path.open("ab") as file:
        file.write(b"o\n")
    assert tail.read() == ([b"two"], False)


def test_damage_longer_than_a_look_does_not_stop_the_reading(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(bytes(5000) + b"\ntwo\n")
    tail = LineReader(path)
    assert tail.read(most=100) == ([bytes(5000)], False)
    assert tail.read(most=100) == ([b"two"], False)


def test_a_log_that_was_replaced_is_read_again(tmp_path):
    path = tmp_path / "log"
    tail = LineReader(path)
    path.write_bytes(b"one\ntwo\n")
    tail.read()
    (tmp_path / "new").write_bytes(b"three\n")
    (tmp_path / "new").replace(path)
    assert tail.read() == ([b"three"], True)


def test_an_attached_session_sees_what_is_added(tmp_path, follow):
    run = write_run(tmp_path, upto=40)
    session = follow(run)
    assert session.history.step == 40
    log = EventLog(run.events_path)
    log.write(logged(41, 4, 400))
    log.close()
    wait_for(lambda: session.history.step == 44)


def test_a_run_begun_again_at_an_earlier_step_is_shown_once(tmp_path, follow):
    run = write_run(tmp_path, upto=40)
    session = follow(run)
    rewind(run, 20)
    wait_for(lambda: session.history.step == 20)


def test_a_finished_run_is_a_replay(tmp_path, follow):
    session = follow(write_run(tmp_path, upto=400, finish="completed"))
    assert state_of(session) == "completed"
    assert not session.alive


def test_an_owner_that_died_is_told_from_one_that_lives(tmp_path, follow):
    run = write_run(tmp_path)
    with run.own():
        session = follow(run)
        assert state_of(session) == "training"
    wait_for(lambda: state_of(session) == "dead")


def test_a_command_is_left_in_the_folder_of_a_run_that_lives(tmp_path, follow):
    run = write_run(tmp_path)
    with run.own():
        follow(run).command("checkpoint")
        [path] = run.control.glob("*.json")
        command = read_command(path)
    assert command.command == "checkpoint"
    assert "attach pid" in str(command.source)


def test_nobody_to_command_and_read_only_are_refused_with_the_cure(tmp_path, follow):
    run = write_run(tmp_path)
    with pytest.raises(RunError, match="simo2 train --resume"):
        follow(run).command("pause")
    with run.own(), pytest.raises(RunError, match="--read-only"):
        follow(run, read_only=True).command("pause")


def test_damage_in_the_log_is_said_once_and_the_rest_is_shown(tmp_path, follow):
    run = write_run(tmp_path, upto=40)
    with run.events_path.open("ab") as file:
        file.write(b"not json\n{}\n" + logged(41, 4, 400).to_line().encode() + b"\n")
    session = follow(run)
    assert session.history.step == 44
    assert [warning.code for warning in session.history.warnings] == ["log-damaged"]


@pytest.mark.parametrize(
    ("options", "state"), [({"finish": "completed"}, "completed"), ({}, "dead"), ({"finish": "diverged"}, "diverged")]
)
def test_the_summary_of_a_run(tmp_path, options, state):
    run = write_run(tmp_path, upto=122, **options)
    summary = summarise(run)
    assert summary.state == state
    assert (summary.step, summary.steps) == (122, 400)
    assert len(summary.knn) == 3
    assert (summary.test_knn is not None) == bool(options)


def test_the_summary_of_a_run_that_lives_or_never_began(tmp_path):
    run = write_run(tmp_path)
    with run.own():
        assert summarise(run).state is State.TRAINING
        assert summarise(run).state.running
    run.events_path.write_text(json.dumps({"event": "evaluated"}) + "\ntorn")
    assert summarise(run).state == "empty"


def test_a_summary_that_is_read_again_reads_what_was_added(tmp_path):
    run = write_run(tmp_path, upto=40)
    reader = SummaryReader(run)
    first = reader.read()
    assert (first.step, len(first.knn)) == (40, 1)
    log = EventLog(run.events_path)
    log.write(logged(41, 4, 400))
    log.write(evaluated(44, 0.3))
    log.close()
    again = reader.read()
    assert (again.step, len(again.knn)) == (44, 2)
    assert again == summarise(run)
    rewind(run, 20)
    assert reader.read() == summarise(run)
    assert reader.read().step == 20


def test_a_log_that_is_not_read_yet_is_no_death(tmp_path):
    session = FollowSession(write_run(tmp_path, upto=400, finish="completed"))
    assert state_of(session) is State.READING
    session.start()
    assert session.wait_until_read(5)
    assert state_of(session) is State.COMPLETED
    session.close()


def test_the_last_words_of_an_owner_are_read_before_it_is_called_dead(tmp_path, monkeypatch):
    monkeypatch.setattr(follow_module, "OWNER_SECONDS", 0.0)
    monkeypatch.setattr(follow_module, "POLL_SECONDS", 0.3)
    run = write_run(tmp_path, upto=8)
    with run.own():
        session = FollowSession(run)
        session.start()
        assert session.wait_until_read(5)
        assert state_of(session) is State.TRAINING
        log = EventLog(run.events_path)
        log.write(RunFinished(step=8, reason="stopped", message="done", checkpoint=None, seconds={}))
        log.close()
    seen = set()
    wait_for(lambda: seen.add(state_of(session)) or not session.alive)
    assert seen <= {State.TRAINING, State.STOPPED}
    session.close()
