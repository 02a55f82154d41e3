"""The process that waits in the foreground, and its child: who hears which signal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# The child says on a line what it hears. SIGHUP and the others as a shell in the foreground gives them, but for those
# that the first argument names.
PROGRAM = """
import os, signal, sys, time
for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
    signal.signal(number, signal.SIG_DFL)
for name in sys.argv[1].split():
    signal.signal(signal.Signals[name], signal.SIG_IGN)
from simo2_tui.foreground import split, stay_behind

code = split()
if code is not None:
    print("parent", code, flush=True)
    os._exit(code)
from simo2_core.run.control import heeded

class Heard(Exception):
    pass

def hear(number, frame):
    raise Heard(signal.Signals(number).name)

for number in heeded():
    signal.signal(number, hear)
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)  # a signal just before a read would not be heard until it ends
try:
    print("child", os.getpid(), flush=True)
    for word in sys.stdin:
        if word == "stay\\n":
            stay_behind()
        if word == "end\\n":
            os._exit(7)
except Heard as heard:
    print("heard", heard, flush=True)
    os._exit(9)
"""


@pytest.fixture
def start():
    begun = []

    def begin(ignored: str = "") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, ignored],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("child ")
        return process

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_stop_reaches_the_process_that_trains(number: signal.Signals, start) -> None:
    process = start()
    process.send_signal(number)
    assert process.stdout.readline() == f"heard {number.name}\n"
    assert process.wait(30) == 9


def test_what_was_ignored_stays_ignored_in_both_and_the_child_can_still_stay(start) -> None:
    process = start("SIGHUP SIGTERM SIGINT SIGUSR1")
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        process.send_signal(number)
    process.stdin.write("stay\n")
    process.stdin.flush()
    assert process.stdout.readline() == "parent 0\n"
    assert process.wait(30) == 0


def test_a_hang_up_frees_the_shell_and_a_child_left_alone_signals_nobody(start) -> None:
    process = start()
    process.send_signal(signal.SIGHUP)
    assert process.stdout.readline() == "parent 0\n"
    assert process.wait(30) == 0
    process.stdin.write("stay\nend\n")  # its parent is gone: the number may be anybody's
    process.stdin.flush()
    assert process.stdout.read() == ""


def test_the_code_of_the_child_is_that_of_the_command(start) -> None:
    process = start()
    process.stdin.write("end\n")
    process.stdin.flush()
    assert process.stdout.readline() == "parent 7\n"
    assert process.wait(30) == 7
