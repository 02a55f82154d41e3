import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simo2_core.errors import RunError, RunLockedError, Simo2Error
from simo2_core.events import PlotSaved, WarningRaised
from simo2_core.presets import PRESETS
from simo2_core.run import owner
from simo2_core.run.directory import RunDirectory
from simo2_core.run.log import record
from simo2_core.run.owner import Owner, Presence, owner_of, whose
from simo2_tui.cli.resume import find_resumable

CONFIG = PRESETS["digits"].config


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path, "one", CONFIG)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(["sleep", "60"])
    yield child
    child.kill()
    child.wait()


def name(run: RunDirectory, text: str) -> None:
    (run.path / "lock").write_text(text)


def fields(pid: int, *, host: str | None = None, started: int | None = None, boot: str | None = None) -> str:
    began = owner._started(pid) if started is None else started
    return (
        f"process {pid} on {host or socket.gethostname()}\n"
        f"started {began or 0} boot {boot or owner._boot()} in {owner._space()}\n"
    )


def test_a_run_is_owned_while_it_is_held_and_left_in_order_after(run: RunDirectory) -> None:
    assert run.owner().presence == Presence.NOWHERE
    with run.own():
        assert run.owner().presence == Presence.HERE
        assert run.owner().pid == os.getpid()
        assert abs(run.owner().since - time.time()) < 60
        mine = f"belongs to process {os.getpid()} on {socket.gethostname()}, which is still running"
        with pytest.raises(RunLockedError, match=mine), run.own():
            pass
    assert run.owner() == owner.Owner(Presence.NOWHERE)


def test_who_holds_a_run_is_asked_of_the_system(run: RunDirectory, sleeper: subprocess.Popen[bytes]) -> None:
    name(run, fields(sleeper.pid))
    assert run.owner().presence == Presence.HERE
    with pytest.raises(RunLockedError, match=f"process {sleeper.pid} on"), run.own():
        pass
    name(run, fields(sleeper.pid, started=1))
    assert run.owner().presence == Presence.DEAD, "its number was given again"
    name(run, fields(sleeper.pid, boot="another"))
    assert run.owner().presence == Presence.DEAD, "the machine was started again"
    name(run, fields(os.getpid()))
    assert run.owner().presence == Presence.DEAD, "this process, which does not hold it"
    name(run, fields(sleeper.pid))
    sleeper.kill()
    while run.owned():  # a zombie, whom nobody has waited for, is dead as well
        time.sleep(0.01)
    with run.own():
        pass


def test_an_owner_that_was_stopped_by_a_signal_is_alive_and_told(
    run: RunDirectory, sleeper: subprocess.Popen[bytes]
) -> None:
    name(run, fields(sleeper.pid))
    assert not run.owner().stopped
    sleeper.send_signal(signal.SIGSTOP)
    while not run.owner().stopped:
        time.sleep(0.01)
    assert run.owner().presence == Presence.HERE
    sleeper.send_signal(signal.SIGCONT)
    while run.owner().stopped:
        time.sleep(0.01)
    assert not Owner(Presence.ELSEWHERE, sleeper.pid, "node12").stopped


def test_the_lock_of_an_older_simo2_is_understood(run: RunDirectory, sleeper: subprocess.Popen[bytes]) -> None:
    name(run, f"process {sleeper.pid} on {socket.gethostname()}\n")
    assert run.owner().presence == Presence.HERE
    os.utime(run.path / "lock", (1e9, 1e9))
    assert run.owner().presence == Presence.DEAD, "a process that began after it was written"
    name(run, f"process {sleeper.pid} on elsewhere\n")
    assert run.owner().presence == Presence.ELSEWHERE


@pytest.mark.parametrize("text", ["", "x", "process", "process 0 on", "process 99999999999999999999 on a", "\0" * 5000])
def test_a_lock_that_says_nothing_is_nobodys(run: RunDirectory, text: str) -> None:
    name(run, text)
    assert run.owner().presence == Presence.NOWHERE
    with run.own():
        pass


def test_a_lock_that_names_another_machine_is_not_called_dead(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "_LOOK_SECONDS", 0.3)
    text = fields(7, host="node12", boot="another")
    name(run, text)
    assert (str(run.owner()), run.owner().presence) == ("process 7 on node12", Presence.ELSEWHERE)
    assert run.owned()
    writer = threading.Timer(0.1, lambda: run.events_path.write_text("x"))
    writer.start()
    with pytest.raises(RunLockedError, match="belongs to process 7 on node12, which is still running"), run.own():
        pass
    writer.join()
    with run.own():  # nothing is written: it is taken, and that is told
        told = list(record([PlotSaved(step=1, path="a")], run))
    warning = told[0]
    assert isinstance(warning, WarningRaised)
    assert warning.code == "owner"
    assert "process 7 on node12, which cannot be asked" in warning.message


def test_looking_never_keeps_an_owner_out(run: RunDirectory) -> None:
    looks = 0
    over = threading.Event()

    def look() -> None:
        nonlocal looks
        while not over.is_set():
            owner_of(run.path)
            looks += 1

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(100):
        with run.own():
            pass
    over.set()
    for reader in readers:
        reader.join()
    assert looks


def test_a_stranger_who_locks_what_he_may_read_keeps_nobody_out(run: RunDirectory) -> None:
    with run.own():
        assert (run.path / ".lock").stat().st_mode & 0o777 == 0o600, "nobody else may open what is locked"
    name(run, fields(2**22 + 1))
    with (run.path / "lock").open() as file, (run.path / "config.json").open() as other:
        for opened in (file, other):
            fcntl.flock(opened, fcntl.LOCK_EX)
        with run.own():
            assert run.owner().presence == Presence.HERE


def test_who_locks_without_owning_is_named(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "_MOMENT", 0.1)
    code = "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print(1, flush=True); time.sleep(9)"
    child = subprocess.Popen([sys.executable, "-c", code, str(run.path / ".lock")], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    with pytest.raises(RunLockedError, match=f"is locked by process {child.pid}, which does not say"), run.own():
        pass
    child.kill()
    child.communicate()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_told_once_and_the_run_goes_on(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, number: int, sleeper: subprocess.Popen[bytes]
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with run.own():
        told = list(record([PlotSaved(step=1, path="a"), PlotSaved(step=1, path="b")], run))
    warnings = [event for event in told if isinstance(event, WarningRaised)]
    assert [warning.code for warning in warnings] == ["owner"]
    assert "has no locks, so two processes on one run cannot be told apart" in warnings[0].message
    name(run, fields(sleeper.pid))
    with pytest.raises(RunLockedError, match="still running"), run.own():
        pass


def test_a_lock_that_is_another_name_of_somebodys_file_is_replaced(run: RunDirectory, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (run.path / "lock").hardlink_to(precious)
    (run.path / ".lock").hardlink_to(precious)
    with run.own():
        pass
    assert (precious.read_text(), precious.stat().st_nlink) == ("kept", 1)


def test_a_run_of_another_user_is_said_to_be(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    assert whose(run.path) is None
    monkeypatch.setattr(os, "geteuid", lambda: run.path.stat().st_uid + 1)
    assert whose(run.path) == f"{run.path} belongs to root, not to you." or os.getuid()
    with pytest.raises(RunError, match="cannot be read"):
        whose(run.path / "nothing")


def test_resuming_a_run_of_another_user_says_so_first(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: run.path.stat().st_uid + 1)
    find_resumable(str(run.path), Path("runs"), {})
    said = capsys.readouterr().err
    assert said.startswith(f"simo2: {run.path} belongs to ")
    assert said.endswith(", not to you. Its settings are used, and what is trained is written there.\n")


@pytest.mark.parametrize(
    "change",
    [{"steps": 10**400}, {"steps": 10**19}, {"seed": -1}, {"seed": 2**70}, {"format": 10**30}, {"steps": 1e308}],
)
def test_absurd_numbers_in_the_settings_of_a_run_are_one_line(run: RunDirectory, change: dict[str, object]) -> None:
    body = json.loads(run.config_path.read_text())
    del body["sha256"]
    body["config"].update(change)
    run.config_path.write_text(json.dumps(body))
    with pytest.raises(Simo2Error) as caught:
        find_resumable(str(run.path), Path("runs"), {})
    assert "\n" not in str(caught.value)
    assert next(iter(change)) in str(caught.value)
