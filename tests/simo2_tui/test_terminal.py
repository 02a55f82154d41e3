import os
import pty
import subprocess
import sys
import threading
import time
import tty
from types import SimpleNamespace

import pytest
from textual.drivers.linux_driver import LinuxDriver

from simo2_core.errors import ConfigError
from simo2_tui import terminal
from simo2_tui.terminal import Link, StrayOutput, driver_for, needs_ascii, shows_colour


@pytest.fixture
def wire():
    """(the end that a terminal reads, a Link to it)"""
    reader, writer = pty.openpty()
    tty.setraw(writer)
    link = Link(writer)
    yield reader, link
    link.close()
    os.close(writer)
    os.close(reader)


def test_text_arrives_as_utf8_and_is_counted(wire):
    reader, link = wire
    link.write("⣿ß")
    assert os.read(reader, 100) == "⣿ß".encode()
    assert link.sent == 5
    assert not link.gone


def test_a_terminal_that_stops_reading_is_noticed_and_can_be_given_up(wire):
    _, link = wire
    thread = threading.Thread(target=link.write, args=("x" * 200_000,))
    thread.start()
    end = time.monotonic() + 5
    while not link.waiting:
        assert time.monotonic() < end
        time.sleep(0.02)
    link.give_up()
    thread.join(5)
    assert not thread.is_alive()
    assert link.sent < 200_000


def test_a_terminal_that_reads_again_gets_everything(wire):
    reader, link = wire
    thread = threading.Thread(target=link.write, args=("y" * 100_000,))
    thread.start()
    time.sleep(0.2)
    got = 0
    while got < 100_000:
        got += len(os.read(reader, 65536))
    thread.join(5)
    assert link.sent == 100_000
    assert not link.waiting


def test_writing_to_a_terminal_that_hung_up_raises_nothing():
    reader, writer = pty.openpty()
    link = Link(writer)
    os.close(reader)
    assert link.write("gone") == 4
    assert link.gone
    link.write("still gone")
    link.close()
    os.close(writer)


def test_stray_output_goes_to_the_log_and_comes_back(tmp_path, capfd):
    stray = StrayOutput()
    os.write(2, b"lost\n")
    stray.send_to(tmp_path / "train.log")
    os.write(2, b"from native code\n")
    stray.restore()
    stray.restore()
    os.write(2, b"seen\n")
    assert (tmp_path / "train.log").read_text() == "from native code\n"
    assert capfd.readouterr().err == "seen\n"


def test_no_terminal_is_refused_in_one_line_with_the_cure(monkeypatch):
    with pytest.raises(ConfigError, match=r"simo2 train --preset digits") as caught:
        terminal.require_terminal()
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["dumb", "", "unknown"])
def test_a_dumb_terminal_is_refused(monkeypatch, name):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("TERM", name)
    with pytest.raises(ConfigError, match="simo2 train"):
        terminal.require_terminal()
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal.require_terminal()


def test_a_program_that_has_to_end_does_not_wait_for_a_stalled_terminal(wire):
    _, link = wire
    link.hurry(0.2)
    link.write("x" * 200_000)
    assert link.gone
    assert link.sent < 200_000


@pytest.mark.parametrize(
    ("environ", "ascii_only", "colour"),
    [
        ({"TERM": "xterm-256color", "LANG": "C.UTF-8"}, False, True),
        ({"TERM": "xterm-256color", "LANG": "de_DE.utf8"}, False, True),
        ({"TERM": "xterm-256color"}, False, True),
        ({"TERM": "xterm-256color", "LC_CTYPE": "C.UTF-8"}, False, True),  # by Python, where nothing is set
        ({"TERM": "xterm-256color", "LANG": "C", "LC_CTYPE": "C.UTF-8"}, True, True),  # by Python, for LANG=C
        ({"TERM": "xterm-256color", "LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, False, True),
        ({"TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C"}, True, True),
        ({"TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "POSIX"}, True, True),
        ({"TERM": "xterm", "LANG": "en_US.ISO-8859-1"}, True, True),
        ({"TERM": "linux", "LANG": "C.UTF-8"}, True, True),
        ({"TERM": "linux-16color", "LANG": "C.UTF-8"}, True, True),
        ({"TERM": "vt100", "LANG": "C.UTF-8"}, True, False),
        ({"TERM": "vt220"}, True, False),
        ({"TERM": "xterm-mono", "LANG": "C.UTF-8"}, False, False),
        ({"TERM": "tmux-256color", "LANG": "C.UTF-8", "NO_COLOR": "1"}, False, False),
        ({"TERM": "tmux-256color", "LANG": "C.UTF-8", "NO_COLOR": ""}, False, True),
    ],
)
def test_what_a_terminal_shows_is_known_from_what_it_says_of_itself(environ, ascii_only, colour):
    assert (needs_ascii(environ), shows_colour(environ)) == (ascii_only, colour)


def test_who_waits_for_keys_of_a_terminal_that_has_gone_is_never_woken():
    """At the end of a file (/dev/null) the thread that reads keys turned without pause: a quarter of a core."""
    program = (
        "import select\nfrom simo2_tui.terminal import let_go\n"
        "import sys; kept = sys.stderr\nlet_go(); let_go()\nprint('nothing to draw on', flush=True)\n"
        "print(select.select([0], [], [], 0.3)[0], file=kept)\n"
        "import os\ntry: os.read(0, 1)\nexcept BlockingIOError: print('nothing', file=kept)"
    )
    done = subprocess.run([sys.executable, "-c", program], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert done.stderr.decode().split() == ["[]", "nothing"]
    assert done.stdout == b""


def test_a_screen_that_has_ended_is_not_begun_again_by_what_wakes_a_job(wire, monkeypatch):
    """A terminal that hangs up wakes the job as well; what read its keys then kept the process for ever."""
    begun = []
    idle = SimpleNamespace(is_alive=lambda: True)
    monkeypatch.setattr(LinuxDriver, "__init__", lambda self, app: self.__dict__.update(_app=app, _key_thread=idle))
    monkeypatch.setattr(LinuxDriver, "start_application_mode", lambda self: begun.append("start"))
    monkeypatch.setattr(LinuxDriver, "stop_application_mode", lambda self: begun.append("stop"))
    _, link = wire
    app = SimpleNamespace(return_value=None)
    driver = driver_for(link)(app)
    driver.start_application_mode()
    driver.start_application_mode()
    driver.stop_application_mode()
    driver.start_application_mode()
    assert begun == ["start", "stop", "start"], "suspended and woken"
    driver.stop_application_mode()
    app.return_value = 0
    driver.start_application_mode()
    app.return_value = None
    link.give_up()
    driver.start_application_mode()
    assert begun == ["start", "stop", "start", "stop"], "ended, or the terminal is gone"
