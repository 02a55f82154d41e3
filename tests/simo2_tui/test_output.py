import errno
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from simo2_tui import output
from simo2_tui.cli.headless import listen
from simo2_tui.output import Descriptor, never_held_up, open_text

# Forks for each command and kind of output, a full one and one of the others in turn, so that the command line is
# imported once. Each child says nothing but its exit code, over a pipe of its own.
WALK = """
import itertools, json, os, sys
import typer
from simo2_tui.cli.main import app
from simo2_tui.start import main

def commands(command, path):
    yield path
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from commands(below, (*path, name))

EVENTS = r'''
from simo2_core.presets import PRESETS
from pathlib import Path
from simo2_core.commands import Reason
from simo2_core.events import *
from simo2_core.run.directory import RunDirectory
from simo2_tui.cli.display import JsonDisplay, PlainDisplay, RichDisplay
from simo2_tui.output import install
install()
for kind in (JsonDisplay, PlainDisplay, RichDisplay):
    with kind(PRESETS["digits"].config) as display:
        display.show(WarningRaised(step=1, code="x", message="café \\u2212 \\udcff", cure="ß"))
        display.show(RunFinished(step=1, reason=Reason.COMPLETED, message="é", checkpoint=None, seconds={"train": 1.0}))
    display.summary(RunDirectory(Path("runs/caf\\u00e9")))
'''

def run(words, kind, encoding):
    say, heard = os.pipe()
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.environ["COLUMNS"] = "100"
            null = os.open(os.devnull, os.O_RDWR)
            errors = os.open("errors", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            if kind == "closed":
                sys.stdin = sys.stdout = sys.stderr = None
                os.dup2(errors, 200)
                for descriptor in (0, 1, 2):
                    os.close(descriptor)
            else:
                target = {"full": "/dev/full", "ascii": "ascii"}.get(kind)
                if kind == "left":
                    reader, out = os.pipe()
                    os.close(reader)
                else:
                    out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(out, 1)
                os.dup2(errors, 2)
                for name, descriptor in (("stdout", 1), ("stderr", 2)):
                    setattr(sys, name, open(descriptor, "w", encoding=encoding, closefd=False))
            if words is None:
                exec(EVENTS)
                code = 0
            else:
                sys.argv = ["simo2", *words]
                main()
        except SystemExit as end:
            code = end.code or 0
        except BaseException as error:
            os.write(heard, repr(error).encode())
        if sys.stdout is not None:
            sys.stdout.flush()
        os.write(heard, b"|%d" % code)
        os._exit(0)
    os.close(heard)
    os.waitpid(child, 0)
    told = os.read(say, 10_000).decode()
    os.close(say)
    with open("errors", errors="replace") as file:
        return told, file.read()

# what help imports, once
sys.stdout = open(os.devnull, "w")
app(["train", "--help"], standalone_mode=False)
sys.stdout = sys.__stdout__
walked = []
others = itertools.cycle(("closed", "left", "ascii"))
for path in commands(typer.main.get_command(app), ()):
    for kind in ("full", next(others)):
        for words in ([*path, "--help"], [*path, "--no-such-option"]):
            walked.append([" ".join(words), kind, *run(words, kind, "ascii" if kind == "ascii" else "utf-8")])
for kind in ("full", "closed", "left", "ascii"):
    walked.append(["a run", kind, *run(None, kind, "ascii" if kind == "ascii" else "utf-8")])
    walked.append(["runs --run-dir café", kind, *run(["runs", "--run-dir", "café"], kind, "ascii")])
print(json.dumps(walked))
"""


def test_every_command_survives_an_output_that_is_full_closed_left_or_ascii(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WALK], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    walked = json.loads(done.stdout)
    kinds = Counter(kind for _, kind, *_ in walked)
    assert min(kinds[kind] for kind in ("full", "closed", "left", "ascii")) > 14, kinds
    for words, kind, told, errors in walked:
        fails = 2 if words.endswith("--no-such-option") else 0
        # where only the output counts, what it did not take is a failure; a run has its folder
        expected = 1 if kind == "full" and not fails and words.split()[0] not in (*_TRAIN, "a") else fails
        assert told == f"|{expected}", (words, kind, told, errors)
        assert "Traceback" not in errors, (words, kind)
        assert "unexpected" not in errors, (words, kind)
        if expected == 1:
            assert errors == "simo2: what was said on standard output is not complete: No space left on device.\n"


_TRAIN = ("train", "resume", "finetune", "compare", "tui", "attach")


def test_a_full_disk_is_remembered_and_room_is_used_again() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    stream = Descriptor(full)
    assert stream.write(b"lost") == 4
    assert stream.refused is not None
    assert stream.refused.errno == errno.ENOSPC
    reader, writer = os.pipe()
    os.dup2(writer, full)
    assert stream.write(b"there") == 5
    assert os.read(reader, 100) == b"there"
    for descriptor in (full, reader, writer):
        os.close(descriptor)


def test_a_signal_inside_a_write_says_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    stream = open_text(writer, "utf-8")
    usual = os.write

    def interrupted(descriptor: int, data: bytes) -> int:
        usual(descriptor, data)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        print("once", file=stream, flush=True)
    print("then", file=stream, flush=True)
    assert os.read(reader, 100) == b"once\nthen\n"
    stream.close()
    os.close(reader)
    os.close(writer)


def test_a_reader_that_has_gone_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = Descriptor(writer)
    assert [stream.write(b"line\n"), stream.write(b"line\n")] == [5, 5]
    assert stream.left
    assert stream.refused is None
    os.close(writer)


def test_a_stalled_reader_misses_whole_lines_and_nothing_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "PATIENCE", 0.05)
    reader, writer = os.pipe()
    stream = Descriptor(writer)
    line = b"x" * 4999 + b"\n"
    with never_held_up():
        for _ in range(40):
            assert stream.write(line) == 5000
    seen = b""
    os.set_blocking(reader, False)
    while len(seen) % 5000 or not seen:
        try:
            seen += os.read(reader, 1 << 16)
        except BlockingIOError:
            stream.write(b"")  # what was begun comes to its end
    with never_held_up():
        stream.write(b"again\n")
    assert os.read(reader, 1 << 16) == b"again\n"
    assert set(seen.split(b"\n")) == {b"x" * 4999, b""}
    assert 0 < len(seen) < 40 * 5000
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(
    ("encoding", "told"), [("ascii", "cafe? - ... ?"), ("latin-1", "cafe\xe9 - ... ?"), ("utf-8", "cafeé − … ?")]
)
def test_a_character_that_a_stream_cannot_take_is_replaced(encoding: str, told: str, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        stream = open_text(file.fileno(), encoding)
        stream.write("cafeé − … \udcff")
        stream.flush()
    assert (tmp_path / "out").read_bytes().decode(encoding).replace("~", "...") == told


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_that_was_ignored_stays_ignored_while_training(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    asked: list[str] = []
    try:
        with listen(asked.append, lambda _: None):
            os.kill(os.getpid(), number)
            others = {signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1} - {number}
            os.kill(os.getpid(), other := min(others))
        assert asked == [f"signal {other.name}"]
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("name", ["random", "copy", "select", "json"])
def test_a_file_of_the_users_own_is_not_imported_in_place_of_pythons(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')")
    done = subprocess.run(
        [sys.executable, "-m", "simo2_tui.start", "--version"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())}, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
