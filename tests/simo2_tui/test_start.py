import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from simo2_core.run.control import STOP_SIGNALS

# signals as a shell in the foreground gives them, which a test suite in the background has not
FOREGROUND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""

# `simo2 data prepare`, or whatever else takes long and does not mind signals itself
SLOW = """
import time
import simo2_tui.cli.main
from simo2_tui.start import main

def app():
    print("begun", flush=True)
    time.sleep(60)

simo2_tui.cli.main.app = app
main()
"""

INTERRUPTED_IMPORT = """
import builtins, os
from simo2_tui.start import main

usual = builtins.__import__

def interrupted(name, *rest):
    if name == "simo2_tui.cli.main":
        os.kill(os.getpid(), signal.SIGINT)
    return usual(name, *rest)

builtins.__import__ = interrupted
main()
"""


def start(code: str, stdin: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_ends_any_command_in_one_line(number: signal.Signals) -> None:
    process = start(FOREGROUND + SLOW)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("", "simo2: interrupted.\n")
    assert process.returncode == 130


def test_signals_that_were_ignored_stay_ignored_in_a_command_that_does_not_train() -> None:
    names = [number.name for number in STOP_SIGNALS]
    ignored = "import signal\n" + "".join(f"signal.signal(signal.{name}, signal.SIG_IGN)\n" for name in names)
    process = start(ignored + SLOW.replace("time.sleep(60)", "input(); print('done')"), stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    for name in names:
        process.send_signal(signal.Signals[name])
    out, _ = process.communicate("\n", timeout=60)
    assert (process.returncode, out) == (0, "done\n")


def test_ctrl_c_while_the_command_line_is_imported_shows_no_traceback() -> None:
    process = start(FOREGROUND + INTERRUPTED_IMPORT)
    assert process.communicate(timeout=60) == ("", "simo2: interrupted.\n")
    assert process.returncode == 130
