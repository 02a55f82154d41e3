"""`simo2 train --distributed`: several processes, on one machine or many, train one run.

The first process is an ordinary `simo2 train`; the others lend it their devices and say only how it ended.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer

from simo2_core.commands import Command
from simo2_core.errors import ConfigError, Simo2Error
from simo2_tui.output import Descriptor, open_text
from simo2_tui.plain_lines import print_visible

DistributedOption = Annotated[
    bool,
    typer.Option(
        "--distributed",
        help="Train together with the other processes of a SLURM, Open MPI or Kubernetes job.",
        rich_help_panel="Several processes",
    ),
]
CoordinatorOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="With --distributed, where no such job is found: where the first process listens.",
        rich_help_panel="Several processes",
    ),
]
ProcessesOption = Annotated[
    int | None,
    typer.Option(help="How many processes there are.", rich_help_panel="Several processes", min=1, max=65_536),
]
ProcessIdOption = Annotated[
    int | None,
    typer.Option(
        help="The number of this one, 0 for the first.", rich_help_panel="Several processes", min=0, max=65_535
    ),
]


@dataclass(frozen=True)
class Place:
    """Where this process stands among the others."""

    coordinator: str | None
    processes: int | None
    process_id: int | None

    def __post_init__(self) -> None:
        if self.process_id is not None and self.processes is not None and self.process_id >= self.processes:
            raise ConfigError(
                f"process_id is {self.process_id}; of {self.processes} processes it must be from 0 to "
                f"{self.processes - 1}."
            )
        host, _, port = (self.coordinator or "host:1").rpartition(":")
        if not host or not port.isdigit():
            raise ConfigError(f"coordinator is {self.coordinator!r}; it must be HOST:PORT, such as node1:9911.")

    @property
    def given(self) -> bool:
        """Whether anything is said about it."""
        return (self.coordinator, self.processes, self.process_id) != (None, None, None)


def train_together(place: Place, lead: Callable[[], None], *, as_json: bool) -> None:
    """Runs `lead` in the first process, and takes part in its run in the others.

    Raises:
        typer.Exit: with the exit code of the run where that is not 0.
        Simo2Error: what `lead` raises, or another process is gone.
    """
    own_output()
    from simo2_core.train import processes  # seconds of jax: not before the settings are known to work

    speak_at_abort(f"simo2: {processes.LOST} What was saved is kept: start all processes again with --resume RUN.")
    try:
        processes.join(place.coordinator, place.processes, place.process_id)
        if processes.leads():
            lead()
        else:
            _follow(as_json)
    except typer.Exit:  # the run has ended, in the other processes too
        processes.leave()
        raise
    except BaseException as error:
        if not _SAYS_WHY.acquire(blocking=False):
            time.sleep(_LONGEST_WORD)  # another thread is saying it, and ends this process
        # the others do not know yet: waiting for them at the end, as jax does, would not end well, nor quietly
        if not os.environ.get("SIMO2_DEBUG"):
            silence(2)
        atexit.register(_leave_at_once, error.exit_code if isinstance(error, Simo2Error) else 1)
        raise
    processes.leave()


def _follow(as_json: bool) -> None:
    import jax

    from simo2_core.run.control import Control
    from simo2_core.train.follower import follow
    from simo2_tui.cli.headless import listen, say

    if not os.environ.get("SIMO2_DEBUG"):
        silence(2)  # for good: what jax writes when the leader is gone is no news
    who = {"process": jax.process_index(), "processes": jax.process_count()}
    line = f"process {who['process']} of {who['processes']}"
    if not as_json:
        print_visible(f"{line}: takes part in the run of process 0")
    control = Control()
    with listen(partial(control.send, Command.STOP), say):
        reason = follow(control)
    print(json.dumps({**who, "reason": reason}) if as_json else f"{line}: {reason}")
    if reason.exit_code:
        raise typer.Exit(reason.exit_code)


def own_output() -> None:
    """Drops what native code writes to descriptor 1, where gloo greets each of its peers, and lets `silence(2)`."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        stream.flush()
        setattr(sys, name, open_text(os.dup(descriptor), stream.encoding, line_buffering=True))
    silence(1)


def silence(descriptor: int) -> None:
    """Points a descriptor nowhere; Python's own streams have theirs."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def speak_at_abort(line: str) -> None:
    """When native code aborts this process, ends it with one line and exit code 1.

    jax aborts a process whose coordinator is gone, or that the coordinator has given up, and can be told nothing else
    (https://github.com/jax-ml/jax/blob/jax-v0.10.2/jax/_src/distributed.py). The handler runs in the thread that
    aborts, in the middle of an ordinary call, so it may call Python.
    """
    kept = os.dup(2)

    def speak(_: int) -> None:
        if _SAYS_WHY.acquire(blocking=False):
            Descriptor(kept).write(f"{line}\n".encode())
        else:
            time.sleep(_LONGEST_WORD)  # the main thread has noticed as well, and is saying it
        os._exit(1)

    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(speak)
    _HANDLERS.append(handler)
    set_handler = ctypes.CDLL(None).signal
    set_handler.restype = ctypes.c_void_p
    set_handler(signal.SIGABRT, handler)


_SAYS_WHY = threading.Lock()
"""Taken, for good, by the thread that says why this process ends: what is said twice is no longer one line."""
_LONGEST_WORD = 5
"""Seconds that it has for it."""

_HANDLERS: list[object] = []
"""Alive for as long as the process: the kernel knows only their addresses."""


def _leave_at_once(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
