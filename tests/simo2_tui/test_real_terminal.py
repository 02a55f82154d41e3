"""The console on a real pseudo-terminal, training for real: what the screen, the signals and the folder do."""

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from simo2_core.events import CheckpointSaved, RunFinished, StepsLogged
from simo2_core.run.directory import list_runs
from tests.simo2_tui.recorded import write_run
from tests.tiny import TINY
from tests.tiny import options as typed

pytestmark = pytest.mark.slow

ESCAPES = re.compile(r"\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>]")


UNREAD = 1000
"""Bytes that wait in a terminal which nobody reads; a whole screen is many times as much, and more than it takes."""

LEFT_OUT = ("COLORTERM", "NO_COLOR", "COLUMNS", "LINES")
"""What the terminal under test says for itself; pytest-xdist sets the last two for its workers."""

# in the child and not between fork and exec: this process has threads by the time the test runs
TAKE_THE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A program on a pseudo-terminal of its own; what it draws is collected as text."""

    def __init__(self, arguments, size=(24, 80), program="simo2_tui.start", **variables):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_THE_TERMINAL, sys.executable, "-m", program, *arguments],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**{name: value for name, value in os.environ.items() if name not in LEFT_OUT},
                 "TERM": "xterm-256color", "JAX_PLATFORMS": "cpu", **variables},
        )  # fmt: skip
        self.raw = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")  # a read may end inside a character

    def read(self, seconds=0.0):
        end = time.monotonic() + seconds
        while True:
            ready, _, _ = select.select([self.master], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return self.raw
            try:
                self.raw += self.decoder.decode(os.read(self.master, 65536))
            except OSError:
                return self.raw

    def wait_for(self, check, what, seconds=120.0):
        end = time.monotonic() + seconds
        while not check():
            self.read(0.1)
            assert time.monotonic() < end, f"{what} did not happen; the end of the screen:\n{self.text()[-3000:]}"

    def wait_until_full(self, seconds=60.0):
        """Waits until the program has written into a terminal that nobody reads, and long enough to fill it."""
        end = time.monotonic() + seconds
        while self.unread() < UNREAD:
            assert time.monotonic() < end, f"the terminal holds {self.unread()} bytes"
            time.sleep(0.05)
        time.sleep(1)

    def unread(self):
        """Bytes that the program has written and nobody has read, as far as the kernel counts them."""
        return struct.unpack("i", fcntl.ioctl(self.master, termios.FIONREAD, bytes(4)))[0]

    def text(self):
        return ESCAPES.sub("", self.raw)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.killpg(self.process.pid, signal.SIGWINCH)

    def code(self, seconds=60.0):
        self.wait_for(lambda: self.process.poll() is not None, "the end of the program", seconds)
        self.read(0.2)
        return self.process.returncode

    def restored(self):
        """Whether the terminal is as it was: echo and lines on, the normal screen, the cursor shown."""
        modes = termios.tcgetattr(self.slave)
        return modes[3] == self.before[3] and self.raw.rfind("\x1b[?1049l") > self.raw.rfind("\x1b[?1049h")

    def close(self):
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for descriptor in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def terminal():
    opened = []

    def start(*arguments, **options):
        opened.append(Terminal(arguments, **options))
        return opened[-1]

    yield start
    for item in opened:
        item.close()


@pytest.fixture
def runs(tmp_path):
    """The folder of runs; whoever still trains in it at the end is ended."""
    yield tmp_path
    for run in list_runs(tmp_path):
        if run.owned():
            owner = int(re.search(r"process (\d+)", (run.path / "lock").read_text())[1])
            os.kill(owner, signal.SIGKILL)


def steps_of(run):
    logged = [event for event in run.events() if isinstance(event, StepsLogged)]
    return logged[-1].last_step if logged else 0


def begin(terminal, runs, steps=100_000, **options):
    """Starts a run from the launcher and waits until it trains."""
    screen = terminal("tui", "digits", "--run-dir", str(runs), "--steps", str(steps), *typed(TINY),
                      "--eval-every", "2s", "--plot-every", "never", **options)  # fmt: skip
    screen.wait_for(lambda: "ready" in screen.text(), "the launcher")
    screen.press("\r")
    screen.wait_for(lambda: list_runs(runs) and steps_of(list_runs(runs)[0]) > 3, "the first steps")
    return screen, list_runs(runs)[0]


def last_of(run, kind):
    return [event for event in run.events() if isinstance(event, kind)][-1]


def test_train_digits_to_the_end(terminal, runs):
    screen, run = begin(terminal, runs, steps=30, program="tests.without_pictures")
    screen.wait_for(lambda: "completed" in screen.text(), "the end of the run")
    screen.press("q")
    assert screen.code() == 0
    assert screen.restored()
    assert "test kNN@20" in screen.text()
    assert last_of(run, RunFinished).reason == "completed"
    assert (run.path / last_of(run, CheckpointSaved).path).is_dir()


def test_q_before_the_first_step_leaves_at_once(terminal, runs):
    screen = terminal("tui", "digits", "--run-dir", str(runs))  # at full size: it compiles for seconds
    screen.wait_for(lambda: "ready" in screen.text(), "the launcher")
    screen.press("\r")
    screen.wait_for(lambda: "compiling" in screen.text() or "preparing" in screen.text(), "the monitor")
    screen.press("q")
    screen.wait_for(lambda: "nothing to save" in screen.text(), "the question")
    screen.press("s")
    assert screen.code(20) == 130
    assert screen.restored()
    assert "begin again: simo2 resume" in screen.text()
    assert not list_runs(runs)[0].owned()


def test_detach_gives_the_prompt_back_and_attach_steers_and_stops(terminal, runs):
    screen, run = begin(terminal, runs)
    screen.press("q")
    screen.wait_for(lambda: "stop and save" in screen.text(), "the question")  # the log names this test
    screen.press("d")
    assert screen.code() == 0
    assert screen.restored()
    assert f"simo2 attach {run.path}" in screen.text().replace("\r\n", "")
    assert run.owned(), "the run goes on"
    before = steps_of(run)

    idle, watcher = terminal("attach", "--run-dir", str(runs)), terminal("attach", "--run-dir", str(runs))
    for one in (idle, watcher):
        one.wait_for(lambda: "attached" in one.text(), "the attached screen")  # noqa: B023
    watcher.wait_for(lambda: steps_of(run) > before, "more steps")
    watcher.press("c")
    watcher.wait_for(lambda: list(run.checkpoints.iterdir()), "the checkpoint that was asked for")
    idle.press("q")
    assert idle.code() == 0
    assert run.owned(), "leaving an attached screen leaves the run alone"
    watcher.press("S")
    watcher.wait_for(lambda: "Stop this run?" in watcher.text(), "the question")
    watcher.press("s")
    watcher.wait_for(lambda: not run.owned(), "the end of the run")
    assert last_of(run, RunFinished).reason == "stopped"
    assert (run.path / last_of(run, RunFinished).checkpoint).is_dir()
    watcher.press("q")
    assert watcher.code() == 0


def test_a_dropped_connection_leaves_training_and_sigterm_ends_it_saved(terminal, runs):
    screen, run = begin(terminal, runs)
    os.close(screen.slave)
    os.close(screen.master)
    screen.process.wait(30)
    before = steps_of(run)
    end = time.monotonic() + 60
    while steps_of(run) <= before:
        assert time.monotonic() < end, "training stopped with the connection"
        time.sleep(0.1)
    owner = int(re.search(r"process (\d+)", (run.path / "lock").read_text())[1])
    os.kill(owner, signal.SIGTERM)
    while run.owned():
        assert time.monotonic() < end
        time.sleep(0.1)
    assert last_of(run, RunFinished).reason == "interrupted"
    assert (run.path / last_of(run, RunFinished).checkpoint).is_dir()


@pytest.mark.parametrize("drawn", [b"\x1b[?1049h", "ready"])
def test_a_screen_that_trains_nothing_goes_with_its_terminal(terminal, tmp_path, drawn):
    """At once, however early: nothing of it stays behind."""
    screen = terminal("tui", "--run-dir", str(tmp_path))
    words = drawn if isinstance(drawn, str) else drawn.decode()
    screen.wait_for(lambda: words in (screen.text() if isinstance(drawn, str) else screen.raw), "the launcher")
    session = screen.process.pid
    os.close(screen.slave)
    os.close(screen.master)
    screen.process.wait(30)
    end = time.monotonic() + 30
    while left := [path.name for path in Path("/proc").glob("[0-9]*") if session_of(int(path.name)) == session]:
        assert time.monotonic() < end, left
        time.sleep(0.1)


def session_of(pid):
    try:
        return os.getsid(pid)
    except OSError:
        return None


def test_resize_stall_and_suspend_while_training_then_sigterm_saves_restores_and_exits_130(terminal, runs):
    screen, run = begin(terminal, runs)
    screen.resize(45, 160)
    screen.wait_for(lambda: "throughput" in screen.text(), "the wide layout")
    screen.resize(12, 40)

    end = time.monotonic() + 60
    screen.resize(60, 200)  # a whole screen that nobody reads: the terminal is full at once
    screen.wait_until_full()
    before = steps_of(run)
    while steps_of(run) <= before:
        assert time.monotonic() < end, "training waits for the terminal"
        time.sleep(0.1)

    screen.press("\x1a")
    screen.wait_for(lambda: screen.restored(), "the normal screen")
    stopped = lambda: os.waitid(os.P_PID, screen.process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)  # noqa: E731
    screen.wait_for(lambda: stopped() is not None, "both processes to stop")
    before = steps_of(run)
    os.killpg(screen.process.pid, signal.SIGCONT)
    screen.wait_for(lambda: not screen.restored(), "the screen again")
    os.killpg(screen.process.pid, signal.SIGCONT)  # one too many, as `fg` and the waiting process both send one
    screen.wait_for(lambda: steps_of(run) > before, "more steps")

    screen.process.send_signal(signal.SIGTERM)
    assert screen.code() == 130
    assert screen.restored()
    assert (run.path / last_of(run, RunFinished).checkpoint).is_dir()


def test_a_plot_is_shown_in_half_blocks(terminal, tmp_path):
    run = write_run(tmp_path, finish="completed", upto=400)
    screen = terminal("plot", str(run.path), "--kinds", "curves", "--show", COLORTERM="truecolor")
    assert screen.code() == 0
    assert "▀" in screen.raw
    assert "48;2;" in screen.raw
    rows = [line for line in screen.text().splitlines() if "▀" in line]
    assert 8 < len(rows) <= 21
    assert max(map(len, rows)) <= 80, [len(row) for row in rows]


def test_a_run_that_cannot_train_says_why_and_exits_with_its_code(terminal, runs):
    screen = terminal("tui", "digits", "--run-dir", str(runs), "--dataset", "/no/such/folder")
    screen.wait_for(lambda: "cannot" in screen.text(), "the launcher")
    screen.press("\r")
    screen.wait_for(lambda: "Training has ended." in screen.text(), "the reason")
    screen.press("\x1b")
    screen.read(0.5)
    screen.press("q")
    assert screen.code() == 4
    assert screen.restored()
    assert "/no/such/folder" in screen.text()
    assert "train.log" not in screen.text(), "a run that never began has left none"
    assert list(runs.iterdir()) == []


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "linux"}, {"LC_ALL": "C"}])
def test_every_screen_is_drawn_in_what_the_terminal_has(terminal, tmp_path, variables):
    write_run(tmp_path, finish="completed", upto=400)
    screen = terminal("attach", "--run-dir", str(tmp_path), size=(45, 160), **variables)
    for key, words in (("", "400/400"), ("E", "class similarity"), ("\x1b", "4 throughput"), ("R", "that differ"),
                       ("\x1b", "4 throughput"), ("?", "stop and save"), ("\x1b", "4 throughput")):  # fmt: skip
        seen = len(screen.text())
        screen.press(key)
        screen.wait_for(lambda: words in screen.text()[seen:], f"{words!r} after {key!r}", 60)  # noqa: B023
    screen.press("q")
    assert screen.code() == 0
    assert screen.restored()
    codes = {int(code or 0) for codes in re.findall(r"\x1b\[([0-9;]*)m", screen.raw) for code in codes.split(";")}
    if "NO_COLOR" in variables:
        assert codes <= set(range(30)), "bold and reversed, no colour"
        assert 7 in codes, "what has the keys is reversed"
    elif "TERM" in variables:
        assert not codes & {38, 48}, "no palette"
        assert len(codes & {*range(30, 38), *range(90, 98)}) > 6
    else:
        assert 38 in codes
    assert screen.raw.isascii() == ("NO_COLOR" not in variables)
