"""Training without the console: what `simo2 train`, `resume` and `finetune` do once they know what to train."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from simo2_core.commands import Command
from simo2_core.errors import INTERRUPTED
from simo2_core.run.control import heeded
from simo2_tui.ending import end_at_once_if_busy
from simo2_tui.output import never_held_up, say_at_once
from simo2_tui.plain_lines import print_visible

if TYPE_CHECKING:
    from simo2_core.config import Config
    from simo2_core.data_config import DataConfig
    from simo2_core.run.directory import RunDirectory
    from simo2_core.trackers.service import Service


def run_training(
    config: Config,
    run: RunDirectory | None,
    *,
    run_dir: Path,
    name: str | None,
    plain: bool,
    as_json: bool,
    services: Sequence[Service],
) -> None:
    """Trains in this process, in a new run or an existing one, and shows it.

    Raises:
        typer.Exit: with the exit code of its `Reason` when the run did not come to its end.
    """
    from simo2_core.run.event_file import read_evaluations
    from simo2_core.session import RunSession
    from simo2_tui.cli.data_progress import DataProgress
    from simo2_tui.cli.display import make_display
    from simo2_tui.terminal import stray_output

    display = make_display(config, plain=plain or not sys.stdout.isatty(), as_json=as_json)
    if run is not None:
        display.evaluations = read_evaluations(run.events_path)
    with ExitStack() as held:
        with DataProgress(quiet=as_json or plain) as progress:
            new = partial(RunSession.create, run_dir=run_dir, name=name)
            carry = new if run is None else partial(RunSession, run=run)
            session = held.enter_context(carry(config, services=services, report=progress.report, say=_say_of_service))
        stop = partial(session.control.send, Command.STOP)
        with stray_output() as stray, display, listen(stop, stray.say):
            stray.send_to(session.run.log_path)  # what native code writes to descriptor 2 would break the picture
            for event in session.events():
                display.show(event)
        display.summary(session.run)
    if display.reason.exit_code:
        end_at_once_if_busy(display.reason.exit_code)
        raise typer.Exit(display.reason.exit_code)


def _say_of_service(line: str) -> None:
    print_visible(f"simo2: {line}", error=True)


def decode_images(config: DataConfig, *, quiet: bool) -> None:
    """Decodes what is not in the cache, with its progress: training finds it there, and this can be interrupted."""
    from simo2_core.data.load import load_dataset
    from simo2_tui.cli.data_progress import DataProgress

    with DataProgress(quiet=quiet) as progress:
        load_dataset(config, report=progress.report)


def say(text: str) -> None:
    """Tells the user on stderr, as `listen` wants it where no display draws."""
    say_at_once(text)


@contextmanager
def listen(stop: Callable[[str], None], say: Callable[[str], None]) -> Iterator[None]:
    """Inside it, `STOP_SIGNALS` ask for a stop, and a second Ctrl+C leaves at once; output holds nothing up.

    Those that were ignored when simo2 began stay so.

    Args:
        stop: asks for it, from inside a signal handler; given who asks, for people.
        say: tells the user, from there too.
    """

    def hear(number: int, _frame: object) -> None:
        if number == signal.SIGINT and asked:
            say("\x1b[?25h\nsimo2: left at once; the newest whole checkpoint is what counts.\n")
            os._exit(INTERRUPTED)
        asked.append(number)
        if number == signal.SIGINT:
            say("\nsimo2: stopping and saving; Ctrl+C again leaves at once.\n")
        stop(f"signal {signal.Signals(number).name}")

    asked: list[int] = []
    heard = heeded()
    before = [signal.signal(number, hear) for number in heard]
    try:
        with never_held_up():
            yield
    finally:
        for number, usual in zip(heard, before, strict=True):
            signal.signal(number, usual)
