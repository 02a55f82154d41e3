import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simo2_core.commands import Asker, Command, Requester
from simo2_core.errors import ConfigError
from simo2_core.run.control import Control, Request, read_command, send_command


def test_commands_are_handed_out_once_and_in_order() -> None:
    control = Control()
    control.send("checkpoint", "keyboard")
    control.send("stop", "signal SIGTERM")
    assert control.take() == [
        Request(Command.CHECKPOINT, Requester(Asker.KEYBOARD)),
        Request(Command.STOP, Requester(Asker.SIGNAL, "SIGTERM")),
    ]
    assert control.take() == []


def test_an_unknown_command_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be one of"):
        Control().send("explode", "keyboard")
    with pytest.raises(ConfigError, match="must be one of"):
        send_command(tmp_path, "explode", "attach")


def test_another_process_commands_through_the_folder(tmp_path: Path) -> None:
    control = Control(tmp_path)
    for command in Command:
        send_command(tmp_path, command, "attach pid 7")
    assert control.take() == [Request(command, Requester(Asker.ATTACH, "pid 7")) for command in Command]
    assert list(tmp_path.iterdir()) == []


def test_commands_for_an_earlier_owner_are_dropped(tmp_path: Path) -> None:
    send_command(tmp_path, "stop", "attach pid 7")
    assert Control(tmp_path).take() == []


@pytest.mark.parametrize("ending", ["resume", "stop"])
def test_a_pause_blocks_until_it_is_ended_from_the_folder(tmp_path: Path, ending: str) -> None:
    control = Control(tmp_path)
    control.send("pause", "keyboard")
    control.take()
    assert control.paused
    waiter = threading.Thread(target=control.wait_while_paused)
    waiter.start()
    time.sleep(0.15)
    assert waiter.is_alive()
    send_command(tmp_path, ending, "attach")
    waiter.join(5)
    assert not waiter.is_alive()
    assert [command.command for command in control.take()] == [ending]
    assert not control.paused


@pytest.mark.parametrize("word", ["checkpoint", "plot", "embed"])
def test_a_paused_run_hears_what_else_is_asked(word: str) -> None:
    control = Control()
    control.send("pause", "keyboard")
    control.take()
    control.send(word, "keyboard")
    began = time.monotonic()
    control.wait_while_paused(5)
    assert time.monotonic() - began < 1
    assert [command.command for command in control.take()] == [word]
    assert control.paused


@given(st.binary(max_size=200))
def test_any_file_is_a_command_or_nothing(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("control") / "1.json"
    path.write_bytes(data)
    assert read_command(path) is None


def test_nonsense_in_the_folder_is_removed_and_ignored(tmp_path: Path) -> None:
    control = Control(tmp_path)
    (tmp_path / "1.json").write_text('{"command": ["stop"]}')
    (tmp_path / "2.json").write_text("[" * 100_000)
    (tmp_path / "3.json").write_text('{"command": "stop", "source": {"a": 1}}')
    assert [command.command for command in control.take()] == ["stop"]
    assert list(tmp_path.iterdir()) == []
