"""What the console costs a run on a real terminal: `python -m tests.benchmarks.console [MEASURE …]`.

`against_headless` takes five minutes, `in_turns` three, `stalled` two, `idle` one.

Turns alternate, since a machine that others use is not the same from one minute to the next.
"""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from simo2_core.events import StepsLogged
from simo2_core.run.directory import RunDirectory, list_runs
from tests.simo2_tui.test_real_terminal import Terminal

SETTINGS = ["--steps", "1000000", "--batch-size", "320", "--eval-every", "never", "--plot-every", "never",
            "--checkpoint-every", "never", "--schedule", "constant"]  # fmt: skip
TURN, TURNS, STALL = 12.0, 6, 30.0
WINDOW, WINDOWS = 5.0, 12


def speed(run: RunDirectory, begin: float, end: float) -> float:
    """Steps a second between two times, from what the run logged."""
    logged = [event for event in run.events() if isinstance(event, StepsLogged) and begin <= event.time <= end]
    return (logged[-1].last_step - logged[0].last_step) / (logged[-1].time - logged[0].time)


def wait_for_steps(folder: Path, terminal: Terminal | None) -> RunDirectory:
    while True:
        if terminal is not None:
            terminal.read(0.2)
        runs = list_runs(folder)
        if runs and sum(isinstance(event, StepsLogged) for event in runs[0].events()) > 8:
            return runs[0]
        time.sleep(0.2)


def in_console(folder: Path, size: tuple[int, int] = (45, 160)) -> tuple[Terminal, RunDirectory]:
    terminal = Terminal(["tui", "digits", "--run-dir", str(folder), *SETTINGS], size=size, COLORTERM="truecolor")
    terminal.wait_for(lambda: "ready" in terminal.text(), "the launcher")
    terminal.press("\r")
    return terminal, wait_for_steps(folder, terminal)


def leave(terminal: Terminal) -> None:
    terminal.press("q")
    terminal.wait_for(lambda: "stop and save" in terminal.text(), "the question")
    terminal.press("s")
    terminal.code()
    terminal.close()


def headless_turn(folder: Path) -> tuple[float, float]:
    """Steps a second without a screen, and 0 bytes."""
    arguments = [sys.executable, "-m", "simo2_tui.start", "train", "--preset", "digits", "--plain", *SETTINGS]
    child = subprocess.Popen([*arguments, "--run-dir", str(folder)], stdout=subprocess.DEVNULL)
    run = wait_for_steps(folder, None)
    time.sleep(2.0)
    begin = time.time()
    time.sleep(TURN)
    rate = speed(run, begin, time.time())
    child.terminate()
    child.wait()
    return rate, 0.0


def console_turn(folder: Path) -> tuple[float, float]:
    """Steps a second with the console, and bytes a second to the terminal."""
    terminal, run = in_console(folder)
    terminal.read(2.0)
    begin, before = time.time(), len(terminal.raw.encode())
    terminal.read(TURN)
    sent = (len(terminal.raw.encode()) - before) / TURN
    rate = speed(run, begin, time.time())
    leave(terminal)
    return rate, sent


def against_headless(folder: Path) -> None:
    """Steps a second with the console and without."""
    rates: dict[str, list[float]] = {"headless": [], "console": []}
    sent = []
    for turn in range(TURNS):
        for name in sorted(rates, reverse=bool(turn % 2)):  # whoever goes first has the warmer machine, or the cooler
            rate, bytes_sent = (headless_turn if name == "headless" else console_turn)(folder / f"{name}-{turn}")
            rates[name].append(rate)
            sent += [bytes_sent] if bytes_sent else []
    for name, values in rates.items():
        print(f"{name}: {statistics.median(values):.1f} steps/s, each {' '.join(f'{one:.1f}' for one in values)}")
    ratios = [console / headless for console, headless in zip(rates["console"], rates["headless"], strict=True)]
    print(f"console against headless: {statistics.median(ratios):.3f}, each {' '.join(f'{r:.3f}' for r in ratios)}")
    print(f"bytes a second while training at 160x45: {statistics.median(sent):.0f}", flush=True)


def stalled(folder: Path) -> None:
    """Steps a second while nobody reads from the terminal, beside those before and after."""
    terminal, run = in_console(folder)
    marks = [time.time()]
    for reading in (True, False, True):
        terminal.read(STALL) if reading else time.sleep(STALL)
        marks.append(time.time())
    before, during, after = (speed(run, begin, end) for begin, end in itertools.pairwise(marks))
    leave(terminal)
    print(
        f"terminal stops reading for {STALL:.0f} s: {during:.1f} steps/s, before {before:.1f}, after {after:.1f}, "
        f"ratio {during / ((before + after) / 2):.3f}",
        flush=True,
    )


def in_turns(folder: Path) -> None:
    """Steps a second while it draws against those while the terminal takes nothing, which stops the drawing.

    Windows of one process alternate, so what else the machine does falls on both. And the processor time of the thread
    that draws, which nothing else falls on.
    """
    terminal, run = in_console(folder)
    terminal.read(3.0)
    windows = []
    begun, drew = time.time(), drawing_seconds(terminal.process.pid)
    terminal.read(20.0)
    share = (drawing_seconds(terminal.process.pid) - drew) / (time.time() - begun)
    for turn in range(2 * WINDOWS):
        begin = time.time()
        terminal.read(WINDOW) if turn % 2 else time.sleep(WINDOW)
        windows.append((begin, time.time()))
    rates = [speed(run, *window) for window in windows]
    leave(terminal)
    ratios = sorted(drawing / stalled for stalled, drawing in zip(rates[::2], rates[1::2], strict=True))
    pace, low, high = 1000 / statistics.median(rates), ratios[WINDOWS // 4], ratios[-WINDOWS // 4]
    print(
        f"drawing against not drawing, {WINDOWS} pairs of {WINDOW:.0f} s at {pace:.0f} ms a step: median "
        f"{statistics.median(ratios):.3f}, quartiles {low:.3f} to {high:.3f}; "
        f"the thread that draws takes {share:.1%} of a processor",
        flush=True,
    )


def drawing_seconds(leader: int) -> float:
    """Processor seconds of the first threads of the console's processes, which draw; others train and write."""
    family = {leader}
    for path in Path("/proc").glob("[0-9]*/stat"):
        fields = path.read_text().rpartition(")")[2].split()
        if int(fields[1]) in family:
            family.add(int(path.parent.name))
    total = 0.0
    for process in family:
        fields = Path(f"/proc/{process}/task/{process}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def idle(folder: Path) -> None:
    """Bytes a second where nothing happens: the launcher, and a run that is paused."""
    terminal, _ = in_console(folder)
    terminal.press(" ")
    terminal.read(8.0)
    before = len(terminal.raw.encode())
    terminal.read(20.0)
    print(f"bytes a second of a paused run: {(len(terminal.raw.encode()) - before) / 20:.0f}", flush=True)
    terminal.press(" ")
    leave(terminal)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="simo2-console-") as name:
        measures = {each.__name__: each for each in (stalled, in_turns, against_headless, idle)}
        for chosen in sys.argv[1:] or measures:
            measures[chosen](Path(name) / chosen)
