"""Training without the console: what `simo2 train`, `resume` and `finetune` do once they know what to train."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from simo2_core.commands import Command
from simo2_core.errors import INTERRUPTED
from simo2_core.run.control import STOP_SIGNALS
from simo2_tui.cli.tracking import Begin
from simo2_tui.output import never_held_up, say_at_once

if TYPE_CHECKING:
    from simo2_core.config import Config, DataConfig
    from simo2_core.run.directory import RunDirectory


def run_training(
    config: Config, run: RunDirectory | None, *, run_dir: Path, name: str | None, plain: bool, as_json: bool,
    tracking: Begin,
) -> None:  # fmt: skip
    """Trains in this process, in a new run or an existing one, and shows it.

    Raises:
        typer.Exit: with the exit code of its `Reason` when the run did not come to its end.
    """
    from simo2_core.run.control import Control
    from simo2_core.run.directory import RunDirectory
    from simo2_core.run.log import record
    from simo2_core.run.state import State
    from simo2_core.run.summary import summarise
    from simo2_tui.cli.display import make_display
    from simo2_tui.terminal import stray_output

    display = make_display(config, plain=plain or not sys.stdout.isatty(), as_json=as_json)
    decode_images(config.data, quiet=as_json or plain)
    # from the log alone: settings that cannot be read now come from the checkpoint
    diverged = run is not None and summarise(run).course.finished is State.DIVERGED
    run = run or RunDirectory.create(run_dir, name, config)
    with run.own(), tracking(run) as services:
        if diverged:  # its newest state is what gave a loss that is not finite, whatever the learning rate
            from simo2_core.checkpoints.recovery import set_diverged_aside

            set_diverged_aside(run)
        control = Control(run.control)
        with stray_output() as stray, display, listen(partial(control.send, Command.STOP), stray.say):
            stray.send_to(run.log_path)  # what native code writes to descriptor 2 would break the picture
            from simo2_core.train.trainer import train  # seconds of jax: not before the settings are known to work

            for event in record(services.watch(train(config, run, control)), run):
                display.show(event)
        display.summary(run)
    if display.reason.exit_code:
        raise typer.Exit(display.reason.exit_code)


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

    Those that were ignored when simo2 began stay so: `nohup` has it that a hang-up means nothing, and a shell that
    Ctrl+C is not meant for the jobs in its background.

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
    heard = [number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = [signal.signal(number, hear) for number in heard]
    try:
        with never_held_up():
            yield
    finally:
        for number, usual in zip(heard, before, strict=True):
            signal.signal(number, usual)
